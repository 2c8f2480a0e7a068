"""Names and remarks in several scripts: what a receiver meets once its company trades abroad."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A company with its address."""

    name: str
    street: str
    postal_code: str
    city: str
    country: str
    """ISO 3166-1 alpha-2."""


PLACES = (
    Place("Müller & Söhne Gießerei", "Straße des 17. Juni 5", "10623", "Berlin", "DE"),
    Place("Ångström Mekaniska AB", "Övre Slottsgatan 12", "753 10", "Uppsala", "SE"),
    Place("Zażółć Gęślą Jaźń S.A.", "ul. Łąkowa 7/9", "90-562", "Łódź", "PL"),
    Place("Ελληνικά Μέταλλα Α.Ε.", "Οδός Αθηνάς 31", "105 54", "Αθήνα", "GR"),
    Place("Завод «Прогрес» ТОВ", "вул. Хрещатик 22", "01001", "Київ", "UA"),
    Place("上海精密机械有限公司", "南京东路100号", "200001", "上海", "CN"),
    Place("شركة الأمل للصناعات", "شارع التحرير ٢٤", "11511", "القاهرة", "EG"),
    Place('Lloyd\'s "Best" <Tools> & Co', "1 King's Road", "SW3 5XP", "London", "GB"),
    Place("Smiles 😀 Factory 🏭", "Rue de l'Église 3", "1000", "Bruxelles", "BE"),
)
ITEMS = (
    "Gehäuse Ø 45 mm, geschweißt",
    'Round tube ø60×45 ½"',
    "Śruba M8 × 40 ocynkowana",
    "Φλάντζα DN 100",
    "Подшипник 6204-2RS",
    "不锈钢螺栓 M10",
    "صمام كروي ٥٠ مم",
    "Sticker 🚚 «fragile»",
    "Ligature ﬁ, combining é, zero‑width‌joiner",
)
REMARKS = (
    "Nur ein Teil ist auf Lager",
    "La pièce n'est plus fabriquée",
    "Η παράδοση καθυστερεί λόγω τελωνείου",
    "Нужна другая дата поставки",
    "请改期交货",
    "الكمية غير متوفرة",
    "Fine 👍, if all of it comes before Christmas",
    "Two lines:\nthe second one",
)
