"""What a camera must say of itself, asked, armed and stopped. Part of CameraContract."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isclose

from rig.cameras.camera import Discipline, Origin, Shutter, TicksMark
from rig.cameras.features import Feature, spelled
from rig.errors import ProblemList, RigError
from rig.streams import NO_COUNTER, Status
from rig.testing.camera_bench import BenchTests, inabilities

ALWAYS_ASKED = (
    "PixelFormat", "Width", "Height", "OffsetX", "OffsetY", "TriggerSelector", "TriggerMode", "TriggerSource",
    "ExposureTime",
)  # fmt: skip
DELAYS = {"exposure_start", "line", "debouncer", "trigger"}
EXPOSURE = 1e-3  # relative difference of an exposure from the one that its register says


class SaysTests(BenchTests):
    """Who it is, how it is set, what its frames mean, and that it is given back."""

    def test_it_says_who_it_is_and_whether_it_is_simulated(self) -> None:
        """Kind, maker, model, serial number and version are read from the device."""
        with self.bench() as bench:
            info = bench.camera.describe()
            assert (info.kind, info.serial, info.simulated) == ("camera", bench.serial, bench.is_simulated)
            assert all((bench.camera.name, info.vendor, info.model, info.version))

    def test_what_it_cannot_do_is_declared(self) -> None:
        """Its capabilities say the same as its baseline; all that is passed over is printed."""
        with self.bench() as bench:
            info, baseline = bench.camera.describe(), bench.camera.arm(0)
            assert info.capabilities.get("timestamps") == (baseline.ticks_hz > 0)
            assert info.capabilities.get("counter_source") == baseline.counter_source
            assert bool(baseline.counter_source) == (baseline.counter != NO_COUNTER)
            print(f"\n{info.vendor} {info.model} ({type(bench.camera).__name__}):")  # noqa: T201
            for text in inabilities(bench, info, baseline):
                print(f"  {text}")  # noqa: T201

    def test_every_feature_that_is_asked_for_is_told_as_it_reads(self) -> None:
        """None is left out or refused, and they are the same when it is armed."""
        with self.bench() as bench:
            info = bench.camera.describe()
            states = {state.name: state for state in info.features}
            assert {*ALWAYS_ASKED, *bench.known.features} <= set(states)
            assert [state.problem for state in info.features if state.problem] == []
            told = (states["Width"].got, states["Height"].got, states["PixelFormat"].got)
            assert told == (info.width, info.height, info.pixel_format)
            baseline = bench.camera.arm(0)
            assert {name: baseline.features.get(name) for name in states} == {n: s.got for n, s in states.items()}

    def test_what_decides_whether_it_is_triggered_is_told(self) -> None:
        """Its trigger mode, and whatever else it has of what rig check looks at: automatics, caps, its line."""
        with self.bench() as bench:
            settings = bench.camera.describe().settings
            assert settings.get("TriggerMode") == "On"
            assert settings | bench.known.settings == settings

    def test_features_that_are_refused_are_told_all_at_once(self) -> None:
        """It is opened all the same and says what is allowed; arming names each with the value that was asked for."""
        with self.bench() as bench:
            if bench.reopen is None:
                return
            asked: dict[str, Feature] = {"NoSuchFeature": 12345, "ExposureTime": 98765432100}
            asked |= {bench.read_only: 54321} if bench.read_only else {}
            asked |= dict([bench.rounds]) if bench.rounds else {}
            bench.camera.close()
            camera = bench.reopen(asked)
            states = {state.name: state for state in camera.describe().features}
            assert {name: states[name].asked for name in asked} == asked
            assert [name for name in asked if not states[name].problem] == []
            assert states["ExposureTime"].allowed
            assert states["NoSuchFeature"].got is None
            found = _error(lambda: camera.arm(0))
            assert isinstance(found, ProblemList)
            assert len(found.problems) == len(asked)
            for name, value in asked.items():
                told = "".join(str(problem) for problem in found.problems if name in str(problem))
                parts = (camera.name, name, spelled(value), states[name].allowed)
                assert [part for part in parts if part not in told] == []

    def test_arming_says_what_a_frame_means(self) -> None:
        """What its ticks mark, how its rows expose, and each delay that it knows of with its origin."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            has_clock = baseline.ticks_hz > 0
            assert (baseline.ticks_mark is not TicksMark.NONE) == has_clock
            assert (baseline.discipline is not Discipline.NONE) == has_clock
            assert 0 <= baseline.row_time_us <= (inf if baseline.shutter is Shutter.ROLLING else 0)
            assert all(delay.us >= 0 and isinstance(delay.origin, Origin) for delay in baseline.delays.values())
            assert set(baseline.delays) <= DELAYS
            first, below = baseline.first_valid_number, baseline.first_valid_number + baseline.number_modulus
            assert first <= baseline.first_frame_number < (below if baseline.number_modulus else inf)

    def test_arming_says_what_is_known_of_the_camera(self) -> None:
        """Whatever the bench knows by itself of what its frames mean, its baseline says too."""
        with self.bench() as bench:
            baseline, known = bench.camera.arm(0), bench.known.of_baseline()
            assert {name: getattr(baseline, name) for name in known} == known

    def test_every_frame_says_how_it_was_exposed(self) -> None:
        """That it is whole, for how long, as its register says, and what its lines were at as it began."""
        with self.bench() as bench:
            asked_us = bench.camera.arm(0).features["ExposureTime"]
            _, frames = bench.take(4)
            assert {(frame.status, frame.error) for frame in frames} == {(Status.OK, "")}
            assert isinstance(asked_us, int | float)
            assert [f.exposure_us for f in frames if not isclose(f.exposure_us, asked_us, rel_tol=EXPOSURE)] == []
            if bench.known.line_status is not None:
                assert {frame.line_status for frame in frames} == {bench.known.line_status}

    def test_stop_reads_the_features_as_they_are_then(self) -> None:
        """Nothing has changed them since it was armed; what has, such as an automatic exposure, is seen."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            bench.take(2)
            assert bench.camera.stop().features == baseline.features
            if bench.change is None:
                return
            bench.camera.arm(1)
            name, value = bench.change()
            assert bench.camera.stop().features[name] == value
            assert {state.name: state.got for state in bench.camera.describe().features}[name] == value

    def test_closing_gives_the_camera_back(self) -> None:
        """It can be opened again and armed; a second call does nothing."""
        with self.bench() as bench:
            bench.camera.close()
            bench.camera.close()
            if bench.reopen is not None:
                bench.reopen({}).arm(0)


def _error(use: Callable[[], object]) -> RigError:
    """What it raises."""
    try:
        use()
    except RigError as error:
        return error
    raise AssertionError("nothing was refused")
