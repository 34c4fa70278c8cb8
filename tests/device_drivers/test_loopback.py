"""The ports that simulated equipment and processes are given."""

from device_drivers.loopback import equipment_port, free_port


def test_equipment_never_takes_the_port_of_a_process_that_is_still_starting() -> None:
    of_processes = {free_port() for _ in range(500)}
    of_equipment = {equipment_port() for _ in range(500)}
    assert len(of_processes) > 400 and len(of_equipment) > 400
    assert not of_processes & of_equipment
