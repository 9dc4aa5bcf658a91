"""Types of numbers within limits, for the fields of protocols and studies; `toml.build` refuses other values."""

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
