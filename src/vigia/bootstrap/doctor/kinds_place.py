"""What may be said of the configuration, the disk and the outbox. Data only."""

from vigia.application.diagnosis import FindingKind, Status
from vigia.infrastructure.i18n import mark

OK, WARNING, ERROR = Status.OK, Status.WARNING, Status.ERROR

CONFIGURATION_VALID = FindingKind(
    "configuration.valid", OK, mark("valid; read from %(places)s"), point=mark("configuration")
)
CONFIGURATION_DEFAULTS = FindingKind(
    "configuration.defaults",
    OK,
    mark("valid; there is no file and no variable, so all settings are the defaults"),
    point=mark("configuration"),
)
CONFIGURATION_READABLE = FindingKind(
    "configuration.readable",
    WARNING,
    mark("holds passwords, and others on this machine may read it (mode %(mode)s)"),
    mark("chmod 600 %(file)s"),
)
CONFIGURATION_NO_TLS_CHECK = FindingKind(
    "configuration.no-tls-check",
    WARNING,
    mark("FindFace's certificate is not checked: anybody in between can read the password and every face"),
    mark("give FindFace's authority as findface.ca_file (PEM) and take findface.tls_insecure_skip_verify out"),
    mark("FindFace"),
)
CONFIGURATION_CLEAR = FindingKind(
    "configuration.clear",
    WARNING,
    mark("password and faces travel to %(host)s in clear (http)"),
    mark("set FINDFACE_URL to FindFace's https:// address"),
    mark("FindFace"),
)
CONFIGURATION_SHORT_READ = FindingKind(
    "configuration.short-read",
    WARNING,
    mark(
        "findface.read_timeout_s is %(seconds)g s; FindFace itself may take 35 s, so late answers become doubtful ones"
    ),
    mark("set findface.read_timeout_s to 40 or more"),
    mark("FindFace"),
)
CONFIGURATION_START_WITHOUT = FindingKind(
    "configuration.start-without",
    WARNING,
    mark("findface.start_without is on, but the cameras come from FindFace and no list of them is kept yet"),
    mark("start once while FindFace answers, or list cameras under cameras: and set camera_list: both"),
    mark("cameras"),
)
CONFIGURATION_METRICS_PUBLIC = FindingKind(
    "configuration.metrics-public",
    WARNING,
    mark("/metrics answers anybody who reaches %(host)s; it tells the cameras' ids and what they do"),
    mark("set VIGIA_WEB__METRICS_TOKEN and take web.metrics_public out"),
    mark("web server"),
)

DISK_WRITABLE = FindingKind(
    "disk.writable",
    OK,
    mark("%(directory)s, %(free).0f GB free: room for about %(captures)d captures that wait"),
    point=mark("data directory"),
)
DISK_TO_BE_MADE = FindingKind(
    "disk.to-be-made",
    OK,
    mark("%(directory)s will be made, %(free).0f GB free: room for about %(captures)d captures that wait"),
    point=mark("data directory"),
)
DISK_NOT_WRITABLE = FindingKind(
    "disk.not-writable",
    ERROR,
    mark("%(directory)s cannot be written: %(why)s"),
    mark("give %(user)s the directory (sudo chown -R %(user)s %(directory)s), or set %(key)s to another one"),
)
DISK_FOREIGN_FILE = FindingKind(
    "disk.foreign-file",
    ERROR,
    mark("%(file)s belongs to %(owner)s, and %(user)s may not write it: was vigia started by somebody else?"),
    mark("sudo chown -R %(user)s %(directory)s, and always start vigia as %(user)s"),
    mark("data directory"),
)
DISK_OPEN = FindingKind(
    "disk.open",
    WARNING,
    mark("every user of this machine may write in %(directory)s (mode %(mode)s): faces and passwords are kept there"),
    mark("chmod 700 %(directory)s"),
    mark("data directory"),
)
DISK_MODELS = FindingKind(
    "disk.models",
    WARNING,
    mark("%(directory)s cannot be written (%(why)s): the model is prepared anew at every start"),
    mark("vigia models prepare once, as a user who may write there, or set models_dir to another directory"),
    mark("models"),
)
DISK_FULL = FindingKind(
    "disk.full",
    ERROR,
    mark(
        "only %(free)d MB are free for %(directory)s, and outbox.min_free_mb leaves %(kept)d MB alone: no capture fits"
    ),
    mark("make room, or set outbox.directory to a larger disk"),
    mark("free space"),
)
DISK_LOW = FindingKind(
    "disk.low",
    WARNING,
    mark("%(free)d MB are free for %(directory)s: room for about %(captures)d captures while FindFace is away"),
    mark("make room, or set outbox.directory to a larger disk; docs/outbox.md says what is given up without room"),
    mark("free space"),
)
DISK_FEW_INODES = FindingKind(
    "disk.few-inodes",
    WARNING,
    mark("only %(count)d more files can be made for %(directory)s, and each capture that waits is one"),
    mark("delete small files there (df -i shows how many), or set outbox.directory to another disk"),
    mark("free space"),
)
DISK_IN_MEMORY = FindingKind(
    "disk.in-memory",
    WARNING,
    mark("%(directory)s is in memory (%(kind)s): captures that wait are lost when the machine restarts"),
    mark("set data_dir, or outbox.directory, to a disk; in a container mount a volume there"),
    mark("file system"),
)
DISK_NETWORK = FindingKind(
    "disk.network",
    WARNING,
    mark("%(directory)s is on a network file system (%(kind)s): locks and durable writes depend on the other side"),
    mark("set outbox.directory to a local disk, or share an outbox on PostgreSQL (outbox.url)"),
    mark("file system"),
)
DISK_LACKS = FindingKind(
    "disk.lacks",
    ERROR,
    mark("the file system of %(directory)s (%(kind)s) lacks what the outbox needs: %(lacks)s"),
    mark("set outbox.directory to a local disk with ext4, XFS or Btrfs"),
    mark("file system"),
)

OUTBOX_READY = FindingKind("outbox.ready", OK, mark("%(place)s: %(waiting)d captures wait"), point=mark("outbox"))
OUTBOX_NEW = FindingKind("outbox.new", OK, mark("%(place)s: made at the first start"), point=mark("outbox"))
OUTBOX_UNUSABLE = FindingKind(
    "outbox.unusable",
    ERROR,
    mark("%(why)s"),
    mark("vigia outbox verify tells more; docs/outbox.md has what to do with a damaged one"),
    mark("outbox"),
)
OUTBOX_UNREACHABLE = FindingKind(
    "outbox.unreachable",
    ERROR,
    mark("%(why)s"),
    mark("see that the PostgreSQL server runs and is reached from here, and check outbox.url (VIGIA_OUTBOX__URL)"),
    mark("outbox"),
)
OUTBOX_KEYS = FindingKind(
    "outbox.keys",
    ERROR,
    mark("%(why)s"),
    mark("put the key back, after the new one, in VIGIA_OUTBOX_KEYS or the key file (mode 600); see docs/outbox.md"),
    mark("outbox"),
)
OUTBOX_TAKEN = FindingKind(
    "outbox.taken",
    ERROR,
    mark("%(place)s is in use by another vigia (process %(holder)s), which has another data_dir"),
    mark("stop that one, or give this one an outbox.directory of its own"),
    mark("outbox"),
)
OUTBOX_DEAD = FindingKind(
    "outbox.dead",
    WARNING,
    mark("%(count)d captures were given up and wait for a person"),
    mark("vigia outbox list --state dead shows why; vigia outbox retry sends them again, vigia outbox drop ends them"),
    mark("outbox"),
)
OUTBOX_NEARLY_FULL = FindingKind(
    "outbox.nearly-full",
    WARNING,
    mark("%(waiting)d captures wait, and outbox.max_captures allows %(most)d: %(policy)s"),
    mark("see that FindFace takes captures (vigia outbox stats), or raise outbox.max_captures"),
    mark("outbox"),
)
REFUSES_NEWEST = mark("then new ones are refused")
GIVES_UP_OLDEST = mark("then the oldest are given up")
