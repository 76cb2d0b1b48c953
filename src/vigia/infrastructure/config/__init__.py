"""Settings: one YAML file, the environment and ``.env``; checked at the start, frozen afterwards.

``settings.py`` holds all keys (by way of the sections), ``loading.py`` reads them, ``problems.py`` tells mistakes,
``uuid_file.py`` keeps this device's name for FindFace.
"""

from vigia.infrastructure.config.delivery_sections import (
    CameraSettings,
    DeliverySettings,
    FindfaceSettings,
    LogSettings,
    MemorySettings,
    OutboxSettings,
)
from vigia.infrastructure.config.loading import (
    DEFAULT_ENV_FILE,
    DEFAULT_FILE,
    load_settings,
    setting_places,
    settings_keys,
)
from vigia.infrastructure.config.own_settings import OwnSettings
from vigia.infrastructure.config.settings import FindfaceAccess, Settings
from vigia.infrastructure.config.uuid_file import stable_uuid
from vigia.infrastructure.config.vision_sections import (
    CaptureSettings,
    DetectorSettings,
    HealthSettings,
    ShardsSettings,
    SourceSettings,
    TracksSettings,
)

__all__ = [
    "DEFAULT_ENV_FILE",
    "DEFAULT_FILE",
    "CameraSettings",
    "CaptureSettings",
    "DeliverySettings",
    "DetectorSettings",
    "FindfaceAccess",
    "FindfaceSettings",
    "HealthSettings",
    "LogSettings",
    "MemorySettings",
    "OutboxSettings",
    "OwnSettings",
    "Settings",
    "ShardsSettings",
    "SourceSettings",
    "TracksSettings",
    "load_settings",
    "setting_places",
    "settings_keys",
    "stable_uuid",
]
