"""A core that is led through steps of a test's own, with a clock that moves when told."""

from __future__ import annotations

from rig.config.rig import read_rig
from rig.elicitation.course import Pay
from rig.elicitation.steps import Step
from rig.record.messages import AbortStep, AppendText, OperatorSaid, ShowStep
from rig.record.plan import Lead, plan_run
from rig.record.run import Run
from rig.session import layout
from rig.stimulus.screen import StepBegan, StepEnded
from rig.streams import Answer
from tests.record.test_run import BOX, RUN, STREAMS, WALK, Rehearsal, S
from tests.rigs import write_rig

ALL = STREAMS


def step(index: int, kind: str = "instruction", **more) -> Step:
    given = {"name": f"s{index}", "text": "", "keys": {}, "seconds": None, "clip": None, "store": ALL, "reason": ""}
    return Step(index=index, kind=kind, max_seconds=10, **{**given, **more})


def a_session() -> list[Step]:
    """0 consent, 1 to 3 trial 1, 4 to 6 trial 2, 7 penalty from one right guess on, 8 keep or delete, 9 debrief."""
    steps = [step(0, "consent", store=(), reason="protocol: consent", ends_run=("no",))]
    for trial, target in ((1, "fear"), (2, "joy")):
        steps += [step(len(steps) + place, kind, trial=trial, target=target) for place, kind in enumerate(KINDS)]
    steps.append(step(7, "penalty", least_caught=1, text="caught {caught}", store=(), reason="protocol: penalty"))
    steps.append(step(8, "question", only_withdrawn=True))
    return [*steps, step(9, "debrief")]


KINDS = ("clip", "question", "guess")


class Led(Rehearsal):
    """Begun, unless told otherwise: the first step is on the screen."""

    def __init__(self, tmp_path, steps: list[Step] | None = None, lead: Lead | None = None) -> None:
        rig = read_rig(write_rig(tmp_path)).rig
        self.plan = plan_run(rig, steps or a_session(), lead or Lead(pay=Pay(20, -1, "EUR")))
        self.run = Run(self.plan, walk_id=WALK, run_id=RUN, box_name=BOX)
        self.now = S
        self.shown: list[Step] = []
        self.texts: list[AppendText] = []
        self.aborts = 0
        self.actions = self.run.begin()
        self.begin()

    def tell(self, event: object, after_s: float = 0.001) -> list[object]:
        actions = super().tell(event, after_s)
        self.shown += [action.step for action in actions if isinstance(action, ShowStep)]
        self.texts += [action for action in actions if isinstance(action, AppendText)]
        self.aborts += sum(isinstance(action, AbortStep) for action in actions)
        return actions

    @property
    def on(self) -> int:
        """The step that was shown last."""
        return self.shown[-1].index

    def said(self, kind: str, **words) -> None:
        self.tell(OperatorSaid(kind, self.now, **words))

    def began(self) -> None:
        self.tell(StepBegan(self.on, self.now))

    def ended(self, by: str = "key") -> None:
        """The step that is on the screen ends."""
        self.tell(StepEnded(self.on, self.now, by))

    def answered(self, text: str, question: str = "q") -> None:
        self.tell(Answer(self.on, question, text, self.now, self.now, self.now))

    def go(self, index: int) -> None:
        """Through all steps before this one; consent is given."""
        while self.on < index:
            if self.shown[-1].kind == "consent":
                self.answered("yes")
            self.ended()

    def records(self, kind: str) -> list[dict]:
        """What the log has of a kind."""
        return [text.record for text in self.texts if text.path == layout.LOG and text.record.get("kind") == kind]

    @property
    def answers(self) -> list[dict]:
        return [text.record for text in self.texts if text.path == layout.ANSWERS]

    def stored(self) -> set[str]:
        """The streams that are kept, from the last change on."""
        return {name for name, keeper in self.run.keepers.items() if (keeper._changes or [keeper._now])[-1].is_kept}

    def reasons(self) -> set[str]:
        """Why streams are not kept, from the last change on."""
        last = [(keeper._changes or [keeper._now])[-1] for keeper in self.run.keepers.values()]
        return {change.reason for change in last if not change.is_kept}
