"""A real publisher of WS-Discovery on loopback: ``onvif_publisher.py NAME``. Prints a line, runs until killed."""

import ipaddress
import sys
import threading

from wsdiscovery import QName, Scope
from wsdiscovery.publishing import ThreadedWSPublishing

publisher = ThreadedWSPublishing()
publisher.start()
publisher.addSourceAddr(ipaddress.ip_address("127.0.0.1"))  # it leaves loopback out by itself
publisher.publishService(
    [QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter")],
    [
        Scope(f"onvif://www.onvif.org/name/{sys.argv[1]}"),
        Scope("onvif://www.onvif.org/hardware/VG-8"),
        Scope("onvif://www.onvif.org/location/country/brazil"),
    ],
    ["http://127.0.0.1:8080/onvif/device_service"],
)
print("ready", flush=True)  # noqa: T201 - how the test learns it
threading.Event().wait()
