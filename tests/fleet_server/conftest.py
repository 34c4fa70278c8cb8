"""Fleets without wires, small and as large as a province."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.counterparts.centre_without_wires import CentreWithoutWires
from tests.counterparts.replay import rooms

FEW, PROVINCE = 20, 166


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreWithoutWires]:
    """A hub and twenty rooms."""
    made = CentreWithoutWires(tmp_path, rooms(FEW))
    yield made
    made.close()


@pytest.fixture
def province(tmp_path: Path) -> Iterator[CentreWithoutWires]:
    """A hub and as many rooms as a province has."""
    made = CentreWithoutWires(tmp_path, rooms(PROVINCE))
    yield made
    made.close()
