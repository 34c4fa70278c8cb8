"""Runs rumqttd, the broker inside the iotcore package, until it is told to stop."""

import logging
import sys

from iotcore.iotcore import IotCoreBroker

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)  # it logs every packet as an error
    IotCoreBroker(config_path=sys.argv[1]).run_forever()
