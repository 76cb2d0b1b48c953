"""What may be said of the web server, FindFace and the cameras. Data only."""

from vigia.application.diagnosis import FindingKind, Status
from vigia.infrastructure.i18n import mark

OK, WARNING, ERROR = Status.OK, Status.WARNING, Status.ERROR

WEB_OFF = FindingKind("web.off", OK, mark("switched off"), point=mark("web server"))
WEB_READY = FindingKind(
    "web.ready", OK, mark("%(scheme)s, listens on %(host)s, port %(port)s"), point=mark("web server")
)
WEB_LOCAL = FindingKind("web.local", OK, mark("%(scheme)s, only this machine, port %(port)s"), point=mark("web server"))
WEB_EXPOSED = FindingKind(
    "web.exposed",
    ERROR,
    mark("the web server listens on %(host)s without TLS: passwords and faces travel in clear"),
    mark("set web.tls_cert and web.tls_key, or web.host: 127.0.0.1"),
    mark("web server"),
)
WEB_UNUSABLE = FindingKind(
    "web.unusable",
    ERROR,
    mark("%(why)s"),
    mark("mend the files of web.tls_cert and web.tls_key (PEM, no password), and the users' file; see docs/web.md"),
    mark("web server"),
)
WEB_PORT_TAKEN = FindingKind(
    "web.port-taken",
    ERROR,
    mark("port %(port)d of %(host)s is taken by another program: the pages would be missing"),
    mark("ss -ltnp 'sport = :%(port)d' names it; stop it, or set web.port to a free one"),
    mark("web server"),
)
WEB_CANNOT_LISTEN = FindingKind(
    "web.cannot-listen",
    ERROR,
    mark("cannot listen on %(host)s, port %(port)d: %(why)s"),
    mark("set web.host to an address of this machine (ip addr) and web.port to one above 1023"),
    mark("web server"),
)
WEB_CERT = FindingKind("web.certificate", OK, mark("good until %(date)s"), point=mark("certificate"))
WEB_CERT_EXPIRING = FindingKind(
    "web.certificate-expiring",
    WARNING,
    mark("%(file)s expires on %(date)s, in %(days)d days"),
    mark("put the renewed certificate in its place and restart vigia"),
    mark("certificate"),
)
WEB_CERT_EXPIRED = FindingKind(
    "web.certificate-expired",
    ERROR,
    mark("%(file)s is not valid: it counts from %(begin)s to %(date)s"),
    mark("put a valid certificate in its place and restart vigia; also check this machine's clock"),
    mark("certificate"),
)
WEB_USERS_READABLE = FindingKind(
    "web.users-readable",
    WARNING,
    mark("%(file)s holds hashes of passwords, and others may read it (mode %(mode)s)"),
    mark("chmod 600 %(file)s"),
    mark("users' file"),
)

FINDFACE_NOT_SET = FindingKind(
    "findface.not-set",
    ERROR,
    mark("%(why)s"),
    mark("write FINDFACE_URL, FINDFACE_USER and FINDFACE_PASSWORD into .env (mode 600) or the environment"),
    mark("FindFace"),
)
FINDFACE_UNKNOWN_HOST = FindingKind(
    "findface.unknown-host",
    ERROR,
    mark("the name %(host)s is not known to this network"),
    mark("check the name in FINDFACE_URL and this machine's name server (getent hosts %(host)s)"),
    mark("FindFace"),
)
FINDFACE_UNREACHABLE = FindingKind(
    "findface.unreachable",
    ERROR,
    mark("%(host)s, port %(port)d, cannot be reached: %(why)s"),
    mark("see that FindFace runs, that address and port in FINDFACE_URL are right and no firewall is in between"),
    mark("FindFace"),
)
FINDFACE_TLS = FindingKind(
    "findface.tls",
    ERROR,
    mark("%(host)s: TLS does not come about: %(why)s"),
    mark(
        "give the authority that signed FindFace's certificate as findface.ca_file, use the name that is in the "
        "certificate, and check this machine's clock"
    ),
    mark("FindFace"),
)
FINDFACE_CERT_EXPIRING = FindingKind(
    "findface.certificate-expiring",
    WARNING,
    mark("FindFace's certificate expires on %(date)s, in %(days)d days: nothing is delivered from then on"),
    mark("have FindFace's certificate renewed"),
    mark("FindFace"),
)
FINDFACE_REFUSED = FindingKind(
    "findface.refused",
    ERROR,
    mark("%(why)s"),
    mark("check FINDFACE_USER and FINDFACE_PASSWORD by logging in to FindFace's own page with them"),
    mark("FindFace"),
)
FINDFACE_LICENCE = FindingKind(
    "findface.licence",
    ERROR,
    mark("%(why)s"),
    mark("have FindFace's licence extended; its own page shows it under Settings, Licence"),
    mark("FindFace"),
)
FINDFACE_MISADDRESSED = FindingKind(
    "findface.misaddressed",
    ERROR,
    mark("%(why)s"),
    mark("set FINDFACE_URL to FindFace's base address, such as https://findface.example, with the port it listens on"),
    mark("FindFace"),
)
FINDFACE_FAILS = FindingKind(
    "findface.fails",
    ERROR,
    mark("%(why)s"),
    mark("look at FindFace's own services and logs; captures wait in the outbox meanwhile"),
    mark("FindFace"),
)
FINDFACE_NO_RIGHTS = FindingKind(
    "findface.no-rights",
    ERROR,
    mark("the log-in works, but cameras cannot be listed: %(why)s"),
    mark("give the user the right to see camera groups and cameras in FindFace"),
    mark("FindFace"),
)
FINDFACE_WORKS = FindingKind(
    "findface.works",
    OK,
    mark("log-in works; one question takes %(ms).0f ms"),
    point=mark("FindFace"),
)
FINDFACE_SLOW = FindingKind(
    "findface.slow",
    WARNING,
    mark("log-in works, but one question takes %(ms).0f ms"),
    mark("look at the network in between and at FindFace's load; delivery slows down likewise"),
    mark("FindFace"),
)
FINDFACE_DETECTORS = FindingKind(
    "findface.detectors",
    OK,
    mark("external detectors: %(count)d, camera groups: %(groups)d"),
    point=mark("FindFace"),
)
FINDFACE_CAMERA_NO_URL = FindingKind(
    "findface.camera-no-address",
    WARNING,
    mark("is left out: its comment in FindFace does not begin with the address of a stream"),
    mark("write the camera's rtsp:// address as the first word of its comment in FindFace"),
)
FINDFACE_CAMERA_NO_TOKEN = FindingKind(
    "findface.camera-no-token",
    WARNING,
    mark("is left out: FindFace gives no token for it"),
    mark("give the user the right to change this camera in FindFace: only then it is told the token"),
)
FINDFACE_CAMERA_UNKNOWN = FindingKind(
    "findface.camera-unknown",
    ERROR,
    mark("FindFace lists no external detector %(id)d for this user: captures of this camera are likely refused"),
    mark("vigia cameras provision makes one, or put the right number as the camera's findface_id"),
)
FINDFACE_CAMERA_TOKEN = FindingKind(
    "findface.camera-token",
    ERROR,
    mark("the token does not belong to external detector %(id)d in FindFace: captures of this camera are refused"),
    mark("copy the token from FindFace's page of the camera, or take token out and run vigia cameras provision"),
)
FINDFACE_CAMERA_INACTIVE = FindingKind(
    "findface.camera-inactive",
    WARNING,
    mark("external detector %(id)d is switched off in FindFace"),
    mark("switch it on in FindFace, or set active: false for the camera here"),
)

CAMERAS_NONE = FindingKind(
    "cameras.none",
    ERROR,
    mark("%(why)s"),
    mark("list cameras under cameras: (vigia cameras discover, vigia cameras import), or make them in FindFace"),
    mark("cameras"),
)
CAMERAS_LIST = FindingKind(
    "cameras.list",
    ERROR,
    mark("the list of cameras cannot be read: %(why)s"),
    mark("mend what is named there; cameras under cameras: do not need FindFace's list (camera_list: config)"),
    mark("cameras"),
)
CAMERAS_NOT_KNOWN = FindingKind(
    "cameras.not-known",
    ERROR,
    mark("not known without FindFace"),
    mark("mend the log-in to FindFace first, or list cameras under cameras:"),
    mark("cameras"),
)
CAMERA_WORKS = FindingKind(
    "cameras.works",
    OK,
    mark("%(codec)s %(width)dx%(height)d %(fps).0f fps, first picture after %(seconds).1f s"),
)
CAMERA_WATCHED = FindingKind(
    "cameras.watched", OK, mark("%(codec)s %(width)dx%(height)d %(fps).0f fps, as the running vigia sees it")
)
CAMERA_TROUBLED = FindingKind(
    "cameras.troubled",
    ERROR,
    mark("the running vigia says: %(why)s"),
    mark("vigia cameras list shows its state as it changes; stop vigia and check again for what is behind it"),
)
CAMERA_NOT_TAKEN_UP = FindingKind(
    "cameras.not-taken-up",
    WARNING,
    mark("the running vigia has not opened it yet"),
    mark("wait until the list of cameras is read again (findface.sync_interval_s), then check again"),
)
CAMERA_LARGE = FindingKind(
    "cameras.large",
    WARNING,
    mark("%(width)dx%(height)d: decoding costs about %(times).1f times as much as 1080p"),
    mark(
        "use the camera's second stream (vigia cameras probe tells what it costs); a large picture helps only where "
        "faces are smaller than %(face).0f px in 1080p"
    ),
)
CAMERA_KEY_FRAMES = FindingKind(
    "cameras.key-frames",
    WARNING,
    mark("a key frame only every %(seconds).0f s or less: so long nothing is seen after a reconnection or a skip"),
    mark("set the camera's key frame interval (GOP, I-frame interval) to 1 or 2 s on its own page"),
)
CAMERA_DAMAGED = FindingKind(
    "cameras.damaged",
    WARNING,
    mark("%(damaged)d of %(packets)d packets gave no whole picture"),
    mark("use source.rtsp_transport: tcp, and look at the network between here and the camera"),
)
CAMERA_CLOCK = FindingKind(
    "cameras.clock",
    WARNING,
    mark("its clock is %(seconds).0f s %(direction)s this machine's: times in its picture and recorder are wrong"),
    mark("set an NTP server on the camera's own page; vigia's captures carry this machine's time in any case"),
)
CAMERA_SAME_URL = FindingKind(
    "cameras.same-url",
    WARNING,
    mark("has the same address as %(other)s: every face is found and sent twice"),
    mark("take one of the two out, or give it its own address"),
)
CAMERA_SAME_ID = FindingKind(
    "cameras.same-id",
    WARNING,
    mark("has the same findface_id (%(id)d) as %(other)s: FindFace cannot tell their faces apart"),
    mark("give each its own: vigia cameras provision makes external detectors"),
)
CAMERA_UNSENDABLE = FindingKind(
    "cameras.unsendable",
    WARNING,
    mark("has no findface_id or no token: its captures cannot be sent"),
    mark("vigia cameras provision makes an external detector in FindFace and keeps its token"),
)
CAMERA_REFUSED = FindingKind(
    "cameras.refused",
    ERROR,
    mark("%(why)s"),
    mark(
        "check user and password in the camera's address (special characters as %%40 for @ and so on), and do not try "
        "too often: many cameras lock the account; vigia cameras probe tries one camera"
    ),
)
CAMERA_FORBIDDEN = FindingKind(
    "cameras.forbidden",
    ERROR,
    mark("%(why)s"),
    mark("give this user the right to view live video (ONVIF or media user) on the camera's own page"),
)
CAMERA_NO_PATH = FindingKind(
    "cameras.no-path",
    ERROR,
    mark("%(why)s"),
    mark("look the path of the stream up in the camera's manual, or let vigia cameras discover ask the camera"),
)
CAMERA_BUSY = FindingKind(
    "cameras.busy",
    ERROR,
    mark("%(why)s"),
    mark("close other viewers and recorders of it, raise its limit of connections, or restart the camera"),
)
CAMERA_CLOSED_PORT = FindingKind(
    "cameras.closed-port",
    ERROR,
    mark("%(why)s"),
    mark("switch RTSP on on the camera's own page, and check the port (554 is usual)"),
)
CAMERA_NO_ROUTE = FindingKind(
    "cameras.no-route",
    ERROR,
    mark("%(why)s"),
    mark("check the address, the cable, the switch's power (PoE) and the VLAN; ping shows whether it is back"),
)
CAMERA_UNKNOWN_HOST = FindingKind(
    "cameras.unknown-host",
    ERROR,
    mark("%(why)s"),
    mark("check the spelling, or use the camera's IP address"),
)
CAMERA_TLS = FindingKind(
    "cameras.tls",
    ERROR,
    mark("%(why)s"),
    mark(
        "give the authority as source.tls_ca_file, set source.tls_verify: false, or use rtsp:// where there is no TLS"
    ),
)
CAMERA_SILENT = FindingKind(
    "cameras.silent",
    ERROR,
    mark("%(why)s"),
    mark("is it switched on, and no firewall in between? A camera that answers ping but not this wants a restart"),
)
CAMERA_NO_PICTURES = FindingKind(
    "cameras.no-pictures",
    ERROR,
    mark("%(why)s"),
    mark(
        "watch the address with ffplay or VLC; try source.rtsp_transport: tcp, a shorter key frame interval, a restart"
    ),
)
CAMERA_NO_VIDEO = FindingKind(
    "cameras.no-video",
    ERROR,
    mark("%(why)s"),
    mark("the address leads to something else: take the one of the video stream, in H.264, H.265 or MJPEG"),
)
CAMERA_FILE = FindingKind(
    "cameras.file",
    ERROR,
    mark("%(why)s"),
    mark("check that it is there, a video, and readable for this user; a relative path begins where vigia is started"),
)
CAMERA_FAILS = FindingKind(
    "cameras.fails",
    ERROR,
    mark("%(why)s"),
    mark("vigia cameras probe tries this camera alone and shows more; docs/cameras.md has more on each case"),
)
