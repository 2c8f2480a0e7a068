"""Every case can fail: a made-up receiver that lies once is found out, and an honest one is not accused."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.catalogue import catalogue
from conformance.mutants.faults import fault_table
from conformance.proof.flip import flip
from conformance.proof.proving import flip_subject, without_fault
from conformance.requirements import requirement

#: Tried with all their variants in test_cases_malformed.py.
_ELSEWHERE = ("MAL", "LIM", "XML")
_HERE = [id for id in catalogue() if not id.startswith(_ELSEWHERE)]


@pytest.mark.parametrize("id", _HERE)
def test_no_lie_goes_unnoticed(id: str, tmp_path: Path) -> None:
    _, dead = flip(catalogue()[id], flip_subject(tmp_path))
    assert dead == []


def test_the_catalogue_has_its_154_cases() -> None:
    assert len(catalogue()) == 154
    assert sum(info.wave == 1 for info in catalogue().values()) == 107


def test_every_must_of_wave_1_has_a_faulty_receiver() -> None:
    assert without_fault(catalogue().values(), fault_table().values()) == []


def test_every_requirement_that_a_case_names_has_its_sentence() -> None:
    for info in catalogue().values():
        assert info.requirements, info.id
        for key in info.requirements:
            assert requirement(key).sentence
