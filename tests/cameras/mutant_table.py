"""What must catch which camera: the tests of the contract, by their names, and the mutants of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rig.cameras.camera import Delay, Discipline, Origin, Shutter, TicksMark
from rig.clock import NS
from rig.errors import ProblemList
from rig.streams import NO_COUNTER, Status
from tests.cameras.bad_cameras import (
    ArmsAllTheSame,
    ArmsLate,
    ArmsTooLate,
    CannotBeClosedWhenLost,
    ClosesOnce,
    CountsFrames,
    CountsOn,
    DeliversStaleFrames,
    DescribesItselfOnce,
    ForgetsBuffers,
    ForgetsItsFeatures,
    FreeRuns,
    HasEndlessNumbers,
    HidesARefusal,
    IgnoresEarlierEpochs,
    IsLostForGood,
    IsLostInSilence,
    IsNamelessWhenLost,
    KeepsDamagedBuffers,
    NoticesItsLossLate,
    NumbersOn,
    OverwritesWhenItIsBack,
    PromisesTooMuch,
    ReleasesSlowly,
    Renumbers,
    RepeatsAFrame,
    RepeatsTheLastFrame,
    ReusesHeldBuffers,
    ReusesHeldBuffersAfterStop,
    ScribblesOnTheFirst,
    ShowsAnotherPicture,
    ShowsOldPicturesLater,
    SpoilsACorner,
    StopsThoughItIsLost,
    SwapsPictures,
    TellsAnEventForAFrame,
    TellsAnOldReading,
    TellsTheFeaturesOfArming,
    WaitsOtherwise,
    WaitsTooLong,
    WantsBuffersInOrder,
)
from tests.cameras.mutants import (
    MS,
    Make,
    armed,
    arms,
    arrived,
    can,
    counted,
    damaged,
    given,
    gives,
    hooked,
    noticed,
    numbered,
    once_lost,
    pairs,
    pairs_at_stop,
    refuses,
    says,
    shifted,
    state,
    ticks,
    without_values,
)

MUTANTS: dict[str, list[Make]] = {
    "it_says_who_it_is_and_whether_it_is_simulated": [
        says(kind="box"), says(serial="4711"), says(simulated=False),
        says(vendor=""), says(model=""), says(version=""),
    ],
    "what_it_cannot_do_is_declared": [
        can(timestamps=False), can(counter_source=""), arms(counter=NO_COUNTER),
    ],
    "every_feature_that_is_asked_for_is_told_as_it_reads": [
        hooked(info=lambda _, info: replace(info, features=info.features[:-1])),
        hooked(info=lambda _, info: replace(info, features=info.features[1:])),
        state("Width", refusal="is not writable"), state("ExposureTime", got=1999.0),
        says(width=97), says(height=65), says(pixel_format="Mono12"), arms(features={}),
        armed(lambda baseline: {"features": baseline.features | {"ExposureTime": 2001.0}}),
    ],
    "what_decides_whether_it_is_triggered_is_told": [
        says(settings={}), says(settings={"TriggerMode": "On"}),
        hooked(info=lambda _, info: replace(info, settings=info.settings | {"TriggerMode": "Off"})),
        hooked(info=lambda _, info: replace(info, settings=info.settings | {"LineInverter": True})),
    ],
    "features_that_are_refused_are_told_all_at_once": [
        HidesARefusal, ArmsAllTheSame, state("ExposureTime", asked=1.0), state("ExposureTime", allowed=""),
        state("NoSuchFeature", got=12345), refuses(lambda found: found.problems[0]),
        refuses(lambda found: ProblemList(found.problems[:-1])), refuses(without_values),
        refuses(lambda found: ProblemList([*found.problems, found.problems[0]])),
        state("ExposureTime", refusal="", got=98765432100),
    ],
    "arming_says_what_a_frame_means": [
        arms(ticks_mark=TicksMark.NONE), arms(discipline=Discipline.NONE), arms(row_time_us=20.0),
        arms(row_time_us=-1.0, shutter=Shutter.ROLLING), arms(delays={"line": Delay(-1.0, Origin.DEVICE)}),
        arms(delays={"line": Delay(1.0, "guessed")}), arms(delays={"other": Delay(1.0, Origin.DEVICE)}),
        arms(first_valid_number=1), arms(number_modulus=5, first_frame_number=5),
    ],
    "arming_says_what_is_known_of_the_camera": [
        arms(ticks_mark=TicksMark.EXPOSURE_END), arms(discipline=Discipline.PTP), arms(shutter=Shutter.ROLLING),
        arms(delays={}), arms(delays={"exposure_start": Delay(900_000.0, Origin.MEASURED)}),
        arms(shortest_period_us=0.0), arms(shortest_period_us=1e6), arms(counter_source="FrameStart"),
    ],
    "every_frame_says_how_it_was_exposed": [
        given(lambda _: {"error": "too hot"}, 2), given(lambda _: {"status": Status.DAMAGED}, 2),
        gives(exposure_us=1.0), given(lambda _: {"exposure_us": 9e9}, 2), given(lambda _: {"line_status": 12345}, 3),
        armed(lambda baseline: {"features": baseline.features | {"ExposureTime": "2000"}}),
    ],
    "stop_reads_the_features_as_they_are_then": [
        hooked(at_stop=lambda _, told: replace(told, features=told.features | {"ExposureTime": 2100.0})),
        TellsTheFeaturesOfArming, DescribesItselfOnce,
    ],
    "closing_gives_the_camera_back": [ClosesOnce, hooked(close=lambda _: None)],
    "timestamps_pass_as_time_does_on_the_wire": [
        given(lambda frame: {"camera_ticks": frame.camera_ticks // MS * MS}), arms(ticks_hz=1_001_000_000),
    ],
    "ticks_mark_the_moment_that_it_says": [
        ticks(2 * MS), ticks(-62_500), arms(ticks_mark=TicksMark.EXPOSURE_END),
        arms(ticks_mark=TicksMark.FRAME_START), given(lambda frame: {"camera_ticks": frame.camera_ticks + MS}, 3),
    ],
    "its_clock_is_read_between_two_readings_of_the_host": [
        hooked(at_stop=lambda _, told: replace(told, clock_pairs=())), arms(clock_pairs=()),
        pairs(lambda _: {"clock": "camera:VIS"}),
        pairs(lambda pair: {"reading_end": pair.reading_end - 1}), pairs(lambda pair: shifted(pair, -MS)),
        pairs(lambda pair: shifted(pair, MS)), pairs_at_stop(lambda pair: shifted(pair, MS)), TellsAnOldReading,
        pairs_at_stop(lambda pair: shifted(pair, -NS)), ticks(-30 * MS), ticks(30 * MS),
    ],
    "a_frame_arrives_after_its_exposure": [
        gives(arrived_host_ns=0), arrived(-30 * MS, 2), arrived(NS), arrived(-5 * MS, 4),
    ],
    "a_held_picture_is_never_overwritten": [ReusesHeldBuffers, SpoilsACorner, SwapsPictures],
    "what_was_grabbed_before_it_was_stopped_is_held_and_can_be_given_back": [
        ReusesHeldBuffersAfterStop, IgnoresEarlierEpochs,
    ],
    "a_full_pool_loses_frames_and_the_numbers_show_the_hole": [
        Renumbers, CountsFrames, ReusesHeldBuffers, ShowsAnotherPicture,
    ],
    "buffers_are_given_back_in_any_order": [ForgetsBuffers, WantsBuffersInOrder, ScribblesOnTheFirst],
    "release_does_not_block": [ReleasesSlowly],
    "a_damaged_frame_says_so_and_gives_its_buffer_back": [
        damaged(status=Status.OK, error=""), damaged(error=""), damaged(status=Status.OK), damaged(frame_number=0),
        gives(error="too hot"), KeepsDamagedBuffers, ShowsAnotherPicture,
    ],
    "a_lost_camera_is_named": [
        IsLostInSilence, NoticesItsLossLate, IsNamelessWhenLost, DescribesItselfOnce, StopsThoughItIsLost, ArmsLate,
        CannotBeClosedWhenLost,
    ],
    "a_camera_that_is_back_can_be_armed_again": [
        IsLostForGood, IgnoresEarlierEpochs, ForgetsItsFeatures, OverwritesWhenItIsBack,
        once_lost(lambda _: {"epoch": 0}),
        once_lost(lambda frame: {"frame_number": frame.frame_number + 3}),
        once_lost(lambda frame: {"counter": frame.counter + 3}), ShowsOldPicturesLater,
    ],
    "arming_says_where_its_numbers_start": [
        arms(epoch=0), gives(epoch=0), gives(stream="VIS"), arms(first_frame_number=1), counted(1), ShowsAnotherPicture,
    ],
    "a_picture_has_the_shape_of_its_pixel_format": [
        given(lambda frame: {"pixels": frame.pixels.reshape(1, -1)}),
        given(lambda frame: {"pixels": frame.pixels.view(np.int8)}),
        given(lambda frame: {"pixels": np.asfortranarray(frame.pixels)}),
    ],
    "no_frame_comes_before_a_trigger": [FreeRuns, numbered(2)],
    "every_trigger_gives_one_frame_in_order": [
        RepeatsAFrame, RepeatsTheLastFrame, numbered(1, 4), SwapsPictures,
    ],
    "triggers_at_the_shortest_period_are_all_exposed": [PromisesTooMuch, SwapsPictures],
    "numbers_start_again_where_it_said": [arms(number_modulus=0), HasEndlessNumbers, numbered(7, 1)],
    "the_counter_counts_the_edges": [given(lambda frame: {"counter": frame.counter // 2 * 2}), counted(1, 4)],
    "a_trigger_that_comes_too_early_gives_no_frame_but_is_counted": [
        CountsFrames, arms(counter_source="FrameStart"), numbered(1, 3), SwapsPictures,
    ],
    "an_event_comes_beside_the_frames_and_never_for_one": [
        TellsAnEventForAFrame, numbered(1, 2), SwapsPictures, noticed(stream="VIS"), noticed(text=""),
        hooked(event=lambda _, event: replace(event, arrived_host_ns=event.arrived_host_ns + NS)),
        hooked(event=lambda _, __: None),
    ],
    "no_frame_of_an_earlier_epoch_comes_after_rearming": [DeliversStaleFrames, gives(epoch=0), ShowsOldPicturesLater],
    "numbers_and_counter_start_again_as_the_new_baseline_says": [NumbersOn, CountsOn],
    "the_first_edge_after_arming_is_exposed": [ArmsTooLate, ShowsAnotherPicture],
    "waiting_for_nothing_ends_in_time": [WaitsOtherwise, WaitsTooLong, FreeRuns],
}  # fmt: skip
