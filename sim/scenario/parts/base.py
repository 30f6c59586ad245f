"""The base of every scenario part, and the small parts that many others use."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from sim.scenario.units import ClockMin, DurationUs, Share

#: Marks a text as a name, for docs/scenario.md; what a name may hold `checks.names` says.
NAME = "name"
Name = Annotated[str, NAME]
Units = Annotated[int, Field(ge=0, le=1_000_000_000)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Factor = Annotated[float, Field(ge=0, le=1000)]
Country = Annotated[
    str,
    Field(
        pattern="^([A-Z]{2}(-[A-Za-z0-9]{1,3})?)?$",
        description="whose public holidays are off too: ISO 3166, GB or GB-SCT",
    ),
]
EVERY_DAY: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Part(BaseModel):
    """A part of a scenario: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("true and false mean nothing here")
        return value


_PARAMETERS = {
    "constant": ("mean_us",),
    "exponential": ("mean_us",),
    "uniform": ("low_us", "high_us"),
    "lognormal": ("median_us", "sigma"),
    "gamma": ("mean_us", "shape"),
}


class Duration(Part):
    """A random duration. `250ms` alone is a constant; otherwise `{dist: lognormal, median: 30s, sigma: 1.4}`.

    constant: `mean`. exponential: `mean`. uniform: `low`, `high`. lognormal: `median`, `sigma`.
    gamma: `mean`, `shape`. Drawn values are rounded once to whole microseconds and cut at `at_most`.
    Work of the engine, providers, staff, pickers and packers is kept up to 35 minutes (47 s more), lead times, delays
    of after-sales and customs up to 50 days. Refused is, unless its `at_most` lies within, a constant or `high` above
    that; a law whose mean would change by more than 1 % by it; a lognormal that is too wide for its table, of a sigma
    above 2.4 where it is a lead time, a delay of after-sales or customs, and above 3 elsewhere. Of other durations a
    mean, median or `high` above 50 days is; stays may be as they like.
    """

    dist: Literal["constant", "exponential", "uniform", "lognormal", "gamma"] = "constant"
    mean_us: DurationUs = Field(0, alias="mean")
    median_us: DurationUs = Field(0, alias="median")
    sigma: float = Field(1.0, gt=0, le=10)
    shape: float = Field(1.0, gt=0, le=1000)
    low_us: DurationUs = Field(0, alias="low")
    high_us: DurationUs = Field(0, alias="high")
    at_most_us: DurationUs = Field(0, alias="at_most", description="0: no limit beyond the column's own")

    def unused(self) -> set[str]:
        """Names of the parameters that this law does not take."""
        return {name for names in _PARAMETERS.values() for name in names} - set(_PARAMETERS[self.dist])

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Duration) else {"dist": "constant", "mean": value}

    @model_validator(mode="after")
    def _complete(self) -> Duration:
        stray = sorted(name.removesuffix("_us") for name in self.model_fields_set & self.unused())
        if stray:
            allowed = " and ".join(name.removesuffix("_us") for name in _PARAMETERS[self.dist])
            raise ValueError(f"{self.dist} durations take {allowed}, not {' and '.join(stray)}")
        if self.dist in ("exponential", "gamma") and self.mean_us <= 0:
            raise ValueError(f"{self.dist} durations need a mean above 0")
        if self.dist == "lognormal" and self.median_us <= 0:
            raise ValueError("lognormal durations need a median above 0")
        if self.dist == "uniform" and self.high_us < self.low_us:
            raise ValueError("uniform durations need low <= high")
        return self


class Shift(Part):
    """`servers` at work on `days` between two local times of day."""

    start_min: ClockMin = Field("00:00", alias="from", validate_default=True)
    end_min: ClockMin = Field("24:00", alias="to", validate_default=True)
    servers: int = Field(ge=0, le=1_000_000)
    days: tuple[Weekday, ...] = EVERY_DAY

    @model_validator(mode="after")
    def _forward(self) -> Shift:
        if self.end_min <= self.start_min:
            raise ValueError("a shift ends after it starts; split one that runs past midnight in two")
        return self


class Servers(Part):
    """How many are at work when: a `constant` number and `shifts` in a time `zone`, added up where they overlap."""

    constant: int = Field(0, ge=0, le=1_000_000)
    shifts: tuple[Shift, ...] = ()
    zone: str = Field("UTC", description="of a warehouse's pickers and packers: its own")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return {"constant": value}
        return {"shifts": value} if isinstance(value, list | tuple) else value


def in_zone(servers: Any, zone: Any) -> Any:
    """Servers as written, in `zone` where they have shifts and name none."""
    if isinstance(servers, list | tuple):
        servers = {"shifts": servers}
    if isinstance(servers, dict) and "shifts" in servers and "zone" not in servers:
        return {**servers, "zone": zone}
    return servers


class ServersAt(Part):
    """From `at` on, `servers` work: a planned change of capacity."""

    at_us: DurationUs = Field(alias="at")
    servers: int = Field(ge=0, le=1_000_000)


class Outage(Part):
    """No new work starts from `at` for `length`; with `crash` (of the engine) the work in service then is lost too."""

    at_us: DurationUs = Field(alias="at")
    length_us: DurationUs = Field(alias="length", gt=0)
    crash: bool = False


class Knot(Part):
    """A point of a piecewise-linear rate curve."""

    at_us: DurationUs = Field(alias="at")
    per_min: float = Field(ge=0, le=1e10)


class Stay(Part):
    """How long a viewer stays: with probability `bounce` Uniform(0, `bounce_within`), otherwise `law`.

    Default: 5 % bounce, and a lognormal of median 30 s, sigma 1.4 (which alone has a mean of 80 s, 31 % above 60 s and
    5 % under 3 s): mean 76 s, 29 % above 60 s, 10 % under 3 s.
    """

    bounce: Share = 0.05
    bounce_within_us: DurationUs = Field("3s", alias="bounce_within", validate_default=True)
    law: Duration = Field({"dist": "lognormal", "median": "30s", "sigma": 1.4}, validate_default=True)


def equal_shares(rows: Any, key: str) -> Any:
    """Rows as written, each with `key` = 1 / number of rows where none of them gives it."""
    if not isinstance(rows, list | tuple) or any(not isinstance(row, dict) or key in row for row in rows):
        return rows
    return [{**row, key: 1 / len(rows)} for row in rows]
