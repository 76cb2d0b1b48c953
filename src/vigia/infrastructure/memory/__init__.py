"""Memory: garbage collection off the hot path, pauses measured, components asked to give back in time."""

from vigia.infrastructure.memory.allocator import steady_heap, trim_heap
from vigia.infrastructure.memory.gc_pauses import GcPauses
from vigia.infrastructure.memory.memory_manager import MemoryManager, MemoryStats

__all__ = ["GcPauses", "MemoryManager", "MemoryStats", "steady_heap", "trim_heap"]
