"""Who does a study: cells trained and judged, in this process or in several."""
