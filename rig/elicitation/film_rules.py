"""What several keys of a protocol must be together, where they speak of clips: manifest, trials and their order."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from rig.config.model import Look
from rig.config.yaml import Place
from rig.elicitation.blocks import Clip
from rig.elicitation.order import NO_LIMIT, TRIES, Order, conflict, in_words
from rig.elicitation.places import block_places, indices, kinds, question_places, words

MOST_CLIPS = NO_LIMIT  # in the trials of one session


def check_clips(look: Look[Any]) -> None:
    """A manifest is whole, and blocks name clips that are in it."""
    for name in look.names("clips"):
        _check_clip(look, ("clips", name))
    for place in block_places(look):
        _check_clip_block(look, place)
    for place, kind in kinds(look):
        if kind == "trials":
            _check_trials(look, place)


def _check_clip(look: Look[Any], place: Place) -> None:
    file, sha256 = ((*place, key) in look.document.lines for key in ("file", "sha256"))
    if file != sha256:
        look.note(place, "is half known", allowed="file and sha256, or neither before it is imported")
    begin, end = look.get(float, *place, "in_s") or 0.0, look.get(float, *place, "out_s")
    if end is not None and end <= begin:
        look.note((*place, "out_s"), "is not allowed", value=f"{end:g}", allowed=f"above in_s ({begin:g})")


def _check_clip_block(look: Look[Any], place: Place) -> None:
    """A clip block names its clip, but in trials, where the trial does."""
    is_in_trials, clip = "each" in place, look.get(str, *place, "clip")
    if look.get(str, *place, "kind") == "clip" and "clip" not in (look.get(dict, *place) or {}) and not is_in_trials:
        look.note((*place, "clip"), "is missing", allowed="a name from clips:")
    if clip is not None and is_in_trials:
        look.note((*place, "clip"), "is not allowed here", allowed="nothing: the trial says which clip it is")
    elif clip is not None:
        _require_clip(look, (*place, "clip"), clip)


def _require_clip(look: Look[Any], place: Place, name: str) -> None:
    clips = look.get(dict, "clips")
    if clips is not None and name not in clips:
        allowed = f"one of clips: {', '.join(clips) or 'none given'}"
        look.note(place, "is no clip of this protocol", value=name, allowed=allowed)


def _check_trials(look: Look[Any], place: Place) -> None:
    each = [look.get(str, *place, "each", index, "kind") for index in indices(look, *place, "each")]
    if each and None not in each and each.count("clip") != 1:
        look.note(
            (*place, "each"),
            "are not allowed",
            value=f"{each.count('clip')} clips",
            allowed="one block of the kind clip",
        )
    if each.count("guess") > 1:
        look.note((*place, "each"), "asks for more than one guess", allowed="one block of the kind guess")
    seen: set[str] = set()
    for index, name in words(look, *place, "clips"):
        _require_clip(look, (*place, "clips", index), name)
        if name in seen:
            look.note((*place, "clips", index), "is there twice", value=name, allowed="each clip once")
        seen.add(name)
    if look.get(str, *place, "clips") == "all" and not look.get(dict, "clips") and ("clips",) not in look.unsound:
        look.note((*place, "clips"), "show none", value="all", allowed="clips: in this protocol")
    if (number := len(_shown(look, place))) > MOST_CLIPS:
        look.note((*place, "clips"), "are too many", value=str(number), allowed=f"at most {MOST_CLIPS} trials")


def _shown(look: Look[Any], place: Place) -> list[str]:
    """The clips of trials, as written; none of tailored ones."""
    if look.get(str, *place, "clips") == "all":
        return look.names("clips")
    return [name for _, name in words(look, *place, "clips")]


def check_order(look: Look[Any]) -> None:
    """The rules of the order can hold together, in all trials."""
    names = look.names("clips")
    for index, name in words(look, "order", "not_first"):
        _require_clip(look, ("order", "not_first", index), name)
    order, clips = _model(look, Order, "order"), {name: _model(look, Clip, "clips", name) for name in names}
    for place, kind in kinds(look):
        shown = {name: clips.get(name) for name in _shown(look, place)} if kind == "trials" else {}
        sound = {name: clip for name, clip in shown.items() if clip is not None}
        if order is not None and len(sound) == len(shown) and 0 < len(sound) <= MOST_CLIPS:
            _check_conflict(look, place, sound, order)


def _check_conflict(look: Look[Any], trials: Place, clips: dict[str, Clip], order: Order) -> None:
    if not (against := conflict(clips, order)):
        return
    problem = "cannot be kept" if len(against) == 1 else "cannot hold together"
    name = look.get(str, *trials, "name") or "trials"
    valences = [clip.valence or "unknown" for clip in clips.values()]
    counted = ", ".join(f"{valences.count(each)} {each}" for each in sorted(set(valences)))
    where = ("order", against[0].partition(" ")[0])
    found = f"for the {len(clips)} clips of {name} ({counted})"
    tried = (
        f"; no square that keeps them was found in {TRIES} tries"
        if where[1] == "kind" and order.kind != "fixed"
        else ""
    )
    look.note(where, f"{problem} {found}{tried}", value=in_words(against), hint="Change one of them, or the clips")


def _model(look: Look[Any], model: type[Any], *place: str) -> Any:
    """The part of the file at a place; None when something in it is wrong."""
    data = look.get(object, *place)
    try:
        return data if isinstance(data, model) else model.model_validate(data)
    except ValidationError:
        return None


def check_tailored(look: Look[Any]) -> None:
    """Trials are tailored by answers that are there before they begin."""
    for place, kind in kinds(look):
        by = look.get(str, *place, "clips", "by") if kind == "trials" else None
        if by is None:
            continue
        asked = next((other for other in block_places(look) if look.get(str, *other, "name") == by), None)
        where = (*place, "clips", "by")
        if asked == place:
            look.note(where, "are these trials themselves", value=by, allowed="a questionnaire of an earlier visit")
        elif asked is None or look.get(str, *asked, "kind") != "questionnaire":
            look.note(where, "is no questionnaire of this protocol", value=by)
        elif (look.get(int, *asked, "visit") or 1) >= (look.get(int, *place, "visit") or 1):
            allowed = "a questionnaire of an earlier visit: say visit: 1 there and visit: 2 here"
            look.note(where, "is not answered before these trials", value=by, allowed=allowed)
        else:
            _check_fits(look, place, asked)


def _check_fits(look: Look[Any], trials: Place, asked: Place) -> None:
    """Enough clips say which question tells how well they fit."""
    questions = {look.get(str, *place, "name"): look.get(str, *place, "kind") for place in question_places(look, asked)}
    fitting = 0
    for name in look.names("clips"):
        question = look.get(str, "clips", name, "fits")
        fitting += question is not None
        if question is not None and questions.get(question) not in ("scale", "sam"):
            scales = [str(each) for each, kind in questions.items() if kind in ("scale", "sam")]
            allowed = f"a scale of {look.get(str, *asked, 'name')}: {', '.join(scales)}"
            look.note(("clips", name, "fits"), "is no question of that kind", value=question, allowed=allowed)
    count = look.get(int, *trials, "clips", "count")
    if count is not None and count > fitting:
        allowed = f"at most the {fitting} clips that say fits:"
        look.note((*trials, "clips", "count"), "is not allowed", value=str(count), allowed=allowed)
