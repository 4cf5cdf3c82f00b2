"""Exposure: its bound, and who is woken when."""

from event_issuer.delivery.exposure import Exposure


def test_there_is_room_up_to_the_bound() -> None:
    exposure = Exposure(2)
    exposure.take()
    assert exposure.has_room()
    exposure.take()
    assert not exposure.has_room()
    exposure.give_back(1)
    assert exposure.has_room()
    assert exposure.count == 1


def test_who_waits_is_woken_once_when_there_is_room() -> None:
    woken: list[str] = []
    exposure = Exposure(2)
    exposure.take()
    exposure.take()
    exposure.wake_when_room(lambda: woken.append("lane"))
    exposure.give_back(1)
    exposure.give_back(1)
    assert woken == ["lane"]


def test_while_it_is_shut_there_is_no_room_and_nobody_is_woken() -> None:
    woken: list[str] = []
    exposure = Exposure(2)
    exposure.take()
    exposure.shut()
    assert not exposure.has_room()
    exposure.wake_when_room(lambda: woken.append("lane"))
    exposure.give_back(1)
    assert woken == []
    exposure.reopen()
    assert woken == ["lane"]
    assert exposure.has_room()
