"""MEMORY STATS, DOCTOR and MALLOC-STATS: figures of the engine, put into words.

The resident size is asked of the server (hook "resident_memory"); an engine without one takes what it has allocated.
"""

from __future__ import annotations

from typing import Any

from ..proto.replies import Map, Verbatim

Reply = Any

TOO_LITTLE = 5 << 20            # DOCTOR says nothing of a data set below this
PEAK_RATIO = 1.5
RSS_RATIO = 1.4
CLIENT_BYTES = 200 << 10        # an ordinary client's buffers, on average
REPLICA_BYTES = 10 << 20


def memory_figures(engine: Any) -> dict[str, Any]:
    """What STATS shows, under its names, the databases under "dbs"."""
    counters, totals = engine.counters(), engine.client_totals()
    used, peak, startup = counters["used_memory"], counters["used_memory_peak"], engine.startup_memory
    resident = engine.hooks["resident_memory"]() if "resident_memory" in engine.hooks else used
    databases = engine.memory_by_database()
    tables = sum(main + expires for _, _, main, expires in databases)
    keys = sum(count for _, count, _, _ in databases)
    _, rehashing, rehashing_count = engine.table_memory()
    overhead = startup + totals["memory"] + tables
    grown = max(0, used - startup)
    dataset = max(0, used - overhead)
    return {"peak": peak, "used": used, "startup": startup, "resident": resident, "clients": totals["memory"],
            "client_count": totals["connected"], "dbs": databases, "tables": tables, "keys": keys,
            "rehashing": rehashing, "rehashing_count": rehashing_count, "overhead": overhead, "dataset": dataset,
            "per_key": grown // keys if keys else 0, "dataset_share": dataset * 100 / grown if grown else 0.0,
            "peak_share": used * 100 / peak if peak else 0.0, "fragmentation": resident / used if used else 0.0}


def memory_stats(call: Any) -> Reply:
    """MEMORY STATS."""
    f = memory_figures(call.engine)
    used, resident = f["used"], f["resident"]
    scripts = call.engine.counters()
    rows: list[tuple[str, Reply]] = [
        ("peak.allocated", f["peak"]), ("total.allocated", used), ("startup.allocated", f["startup"]),
        ("replication.backlog", 0), ("replica.fullsync.buffer", 0), ("clients.slaves", 0),
        ("clients.normal", f["clients"]), ("cluster.links", 0), ("aof.buffer", 0), ("lua.caches", scripts["used_memory_scripts_eval"]),
        ("functions.caches", scripts["used_memory_functions"]),
        ("script.VMs", scripts["used_memory_vm_eval"] + scripts["used_memory_vm_functions"])]
    for number, _, main, expires in f["dbs"]:
        rows.append((f"db.{number}", Map([("overhead.hashtable.main", main), ("overhead.hashtable.expires", expires)])))
    rows += [
        ("overhead.db.hashtable.lut", f["tables"]), ("overhead.db.hashtable.rehashing", f["rehashing"]),
        ("overhead.total", f["overhead"]), ("db.dict.rehashing.count", f["rehashing_count"]), ("keys.count", f["keys"]),
        ("keys.bytes-per-key", f["per_key"]), ("dataset.bytes", f["dataset"]),
        ("dataset.percentage", float(f["dataset_share"])), ("peak.percentage", float(f["peak_share"])),
        ("allocator.allocated", used), ("allocator.active", used), ("allocator.resident", resident),
        ("allocator.muzzy", 0), ("allocator-fragmentation.ratio", 1.0), ("allocator-fragmentation.bytes", 0),
        ("allocator-rss.ratio", float(f["fragmentation"])), ("allocator-rss.bytes", resident - used),
        ("rss-overhead.ratio", 1.0), ("rss-overhead.bytes", 0), ("fragmentation", float(f["fragmentation"])),
        ("fragmentation.bytes", resident - used)]
    extra = call.engine.hooks.get("memory_rows")
    known = extra() if extra is not None else {}
    return Map((name.encode(), known.get(name, value)) for name, value in rows)


def memory_doctor(call: Any) -> Reply:
    """MEMORY DOCTOR: what looks unhealthy, a paragraph each."""
    f = memory_figures(call.engine)
    if f["used"] - f["startup"] < TOO_LITTLE:
        return Verbatim(b"There is too little data here to judge the use of memory by: fill the server and ask "
                        b"again.\n")
    found = []
    if f["peak"] / f["used"] > PEAK_RATIO:
        found.append("Peak: at some time more than one and a half times as much memory was in use as is now. The "
                     "pages of that time may still be held, so a high fragmentation need not mean anything. MEMORY "
                     "PURGE gives back what can be given.")
    if f["fragmentation"] > RSS_RATIO and f["resident"] - f["used"] > TOO_LITTLE:
        found.append(f"Fragmentation: the process holds {f['fragmentation']:.2f} times what its data takes "
                     f"(allocator {call.engine.facts()['mem_allocator']}). Values that changed much in size leave "
                     "holes; a restart, or a switch to a fresh replica, packs them anew.")
    if f["client_count"] and f["clients"] / f["client_count"] > CLIENT_BYTES:
        found.append("Clients: their buffers are large on average. Somebody reads his replies too slowly, or asks for "
                     "too much at once; CLIENT LIST shows who (omem, qbuf).")
    if not found:
        return Verbatim(b"Nothing wrong with the memory of this server.\n")
    text = "The memory of this server:\n\n" + "".join(f" * {one}\n\n" for one in found)
    return Verbatim(text.encode())


def memory_malloc_stats(call: Any) -> Reply:
    """MEMORY MALLOC-STATS: what the counting allocator knows, and the server of the process."""
    rows: list[tuple[str, Any]] = [("allocator", call.engine.facts()["mem_allocator"])]
    rows += call.engine.allocator_counters().items()
    if "resident_memory" in call.engine.hooks:
        rows.append(("resident", call.engine.hooks["resident_memory"]()))
    return Verbatim("".join(f"{name}: {value}\n" for name, value in rows).encode())


BODIES = {"MEMORY|STATS": memory_stats, "MEMORY|DOCTOR": memory_doctor, "MEMORY|MALLOC-STATS": memory_malloc_stats}
