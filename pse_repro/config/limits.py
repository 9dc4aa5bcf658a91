"""Numbers within limits, as the fields of protocols and studies name them; `toml.build` refuses others."""

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
