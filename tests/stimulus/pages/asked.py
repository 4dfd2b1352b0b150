"""Steps of every kind, in English, Arabic and Hebrew, as `tests/stimulus/pages` lays out, draws and answers them."""

from __future__ import annotations

from rig.elicitation.steps import Choice, Item, Step
from rig.stimulus.pages.fonts import default_font, px_per_degree
from rig.stimulus.pages.layout import Look

SIZES = ((1280, 720), (1920, 1080))
PATCH_PX = 40
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "told": "You will see a number of short films.\n\nPlease watch them and keep your face neutral, whatever you "
        "feel. If we can read your face, you will fill in a long questionnaire (500 questions).",
        "felt": "What did you feel while you watched the film?",
        "feelings": "happiness sadness disgust fear surprise anger contempt nothing",
        "strong": "How strong was it?",
        "low": "not at all",
        "high": "very strong",
        "valence": "How pleasant was it?",
        "arousal": "How excited were you?",
        "dominance": "How much in control did you feel?",
        "words": "Describe the film in your own words.",
        "statement": "I often think about what others may think of me.",
        "typed": "Nothing much; gy, ÄÖÜ, naïve.",
    },
    "ar": {
        "told": "سوف تشاهد عددا من الأفلام القصيرة.\n\nمن فضلك شاهدها وحافظ على وجهك محايدا مهما كان شعورك. "
        "إذا استطعنا قراءة وجهك فسيكون عليك ملء استبيان طويل (500 سؤال).",
        "felt": "بماذا شعرت أثناء مشاهدة الفيلم؟",
        "feelings": "فرح حزن اشمئزاز خوف مفاجأة غضب احتقار لا-شيء",
        "strong": "ما مدى قوة هذا الشعور؟",
        "low": "لا شيء إطلاقا",
        "high": "قوي جدا",
        "valence": "كم كان ممتعا؟",
        "arousal": "كم كنت متحمسا؟",
        "dominance": "إلى أي مدى شعرت بالسيطرة؟",
        "words": "صف الفيلم بكلماتك الخاصة.",
        "statement": "أفكر كثيرا في ما قد يظنه الآخرون عني.",
        "typed": "لم أشعر بشيء يذكر.",
    },
    "he": {
        "told": "תראו מספר סרטים קצרים.\n\nאנא צפו בהם ושמרו על פנים ניטרליות, לא משנה מה תרגישו. אם נוכל "
        "לקרוא את פניכם, תמלאו שאלון ארוך (500 שאלות).",
        "felt": "מה הרגשתם בזמן הצפייה בסרט?",
        "feelings": "שמחה עצב גועל פחד הפתעה כעס בוז כלום",
        "strong": "כמה חזק זה היה?",
        "low": "בכלל לא",
        "high": "חזק מאוד",
        "valence": "כמה נעים זה היה?",
        "arousal": "כמה נרגשים הייתם?",
        "dominance": "עד כמה הרגשתם בשליטה?",
        "words": "תארו את הסרט במילים שלכם.",
        "statement": "אני חושב הרבה על מה שאחרים חושבים עליי.",
        "typed": "שום דבר מיוחד.",
    },
}
FEELINGS = WORDS["en"]["feelings"].split()  # the values that are stored


def look(size: tuple[int, int], distance_mm: float = 600) -> Look:
    """A screen 530 mm wide, with DejaVu Sans."""
    return Look(default_font(), px_per_degree(size[0], 530, distance_mm), PATCH_PX)


def step(*items: Item, text: str = "", name: str = "asked") -> Step:
    """A page of these items."""
    return Step(7, "question", name, text, {}, None, 60.0, None, ("HS",), "", items=items)


def choice(language: str = "en", name: str = "felt", *, may_skip: bool = False) -> Item:
    """What was felt: eight answers with the keys 1 to 8."""
    words = WORDS[language]
    labels = [label.replace("-", " ") for label in words["feelings"].split()]
    pairs = enumerate(zip(FEELINGS, labels, strict=True), start=1)
    choices = tuple(Choice(str(key), value, label) for key, (value, label) in pairs)
    return Item(name, "choice", words["felt"], choices, may_skip=may_skip)


def scale(
    language: str = "en", name: str = "strong", text: str = "", *, points: int = 5, may_skip: bool = False
) -> Item:
    """How strong it was."""
    words = WORDS[language]
    return Item(
        name, "scale", text or words["strong"], points=points, low=words["low"], high=words["high"], may_skip=may_skip
    )


def sam(language: str = "en", dimension: str = "valence") -> Item:
    """Nine manikins."""
    return Item(dimension, "sam", WORDS[language][dimension], points=9, dimension=dimension)


def words(language: str = "en", *, most_letters: int = 200, may_skip: bool = True) -> Item:
    """Free text."""
    return Item("words", "text", WORDS[language]["words"], most_letters=most_letters, may_skip=may_skip)


def questionnaire(language: str = "en", count: int = 10) -> Step:
    """A page of statements on one scale."""
    told = WORDS[language]
    items = (scale(language, f"q{i}", told["statement"], may_skip=True) for i in range(count))
    return step(*items, text=told["felt"], name="questionnaire")


def every_kind(language: str) -> list[Step]:
    """One page of each kind that a protocol can ask for."""
    told = WORDS[language]["told"]
    return [
        step(text=told, name="instruction"),
        step(choice(language), text=told, name="consent"),
        step(choice(language), name="choice"),
        step(scale(language), name="scale"),
        step(scale(language, points=100), name="fine-scale"),
        step(sam(language), name="manikins"),
        step(*(sam(language, d) for d in ("valence", "arousal", "dominance")), name="all-manikins"),
        step(words(language), name="text"),
        step(choice(language), scale(language), words(language), name="mixed"),
        questionnaire(language),
    ]
