#!/usr/bin/env python3
"""Verifies an exported trail of Kaizen, independently of it: python3 verify.py DIRECTORY

Python's standard library alone. What is checked:
  event_hash   = SHA-256(32 raw bytes of the run's previous event_hash + the stored bytes)
  journal_hash = SHA-256(32 raw bytes of the previous journal_hash + 32 raw bytes of event_hash)
Both chains begin with 32 zero bytes. Artifacts are named by the SHA-256 of their bytes.
An event without bytes was taken by retention: an event run_compacted of its run must say so.
Where the export holds what SQL Server had of the trail, the two are compared event by event.
Exits with 0 when everything adds up, with 5 after naming each difference.
"""
import datetime
import hashlib
import json
import pathlib
import sys

ZERO = bytes(32)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def digests(value):
    """Every artifact that a payload names."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "artifact" and isinstance(item, str):
                yield item
            else:
                yield from digests(item)
    elif isinstance(value, list):
        for item in value:
            yield from digests(item)


def lines(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def happened(event):
    """When it happened, as the export writes times; version 1 wrote it so itself."""
    if "at" in event:
        return event["at"]
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=event["at_us"])
    return at.isoformat(timespec="microseconds") + "Z"


def raw(text):
    """32 raw bytes of a hash as text; zeroes for what is none."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        return ZERO
    return digest if len(digest) == 32 else ZERO


def compare(ours, theirs, head, ids):
    """The columns in which SQL Server's row is not what the journal says."""
    if ours["run_seq"] == 1 and ours["event"]:
        ids[ours["run"]] = json.loads(ours["event"])["run"]
    if ids.get(ours["run"], theirs["run_id"]) != theirs["run_id"]:
        yield "run_id"
    for column in ("event_hash", "journal_hash", "run", "run_seq"):
        if theirs[column] != ours[column]:
            yield column
    empty = all(theirs[column] is None for column in ("happened_at", "actor", "kind", "phase"))
    bare = not ours["event"] and not theirs["event"] and empty
    if not bare and sha256(head, theirs["event"].encode()).hex() != ours["event_hash"]:
        yield "event"
    try:
        event = json.loads(theirs["event"])
    except ValueError:
        return
    phase = None
    if event["kind"] in ("phase_completed", "phase_failed"):
        phase = event["body"]["phase"]
    said = {"actor": event.get("actor", "kaizen"), "kind": event["kind"], "phase": phase}
    # SQL Server's times begin in the year 1, Python's as well.
    if "at" in event or event["at_us"] >= -62_135_596_800_000_000:
        said["happened_at"] = happened(event)
    for column, value in said.items():
        if theirs[column] != value:
            yield column


def trail(folder, told):
    """Compares what SQL Server held with the journal; answers the differences."""
    differences, heads, edited, places, ids, held = [], {}, [], {}, {}, 0
    chain, same = ZERO, True
    theirs = lines(folder / "sqlserver.jsonl")
    ours = lines(folder / "events.jsonl")
    their, our, ended = next(theirs, None), next(ours, None), 0
    while their or our:
        if their:
            follows = sha256(chain, raw(their["event_hash"])).hex() == their["journal_hash"]
        if their and our and their["seq"] == our["seq"]:
            head = heads.get(our["run"], ZERO)
            wrong = list(compare(our, their, head, ids))
            if wrong:
                same = False
                edited.append((our["seq"], our["event_hash"], their["event_hash"], ", ".join(wrong)))
                places[our["event_hash"]] = our["seq"]
        elif their and (not our or their["seq"] < our["seq"]):
            if our or their["seq"] <= ended:
                differences.append(f"missing: event {their['seq']} is in SQL Server, and not in the journal")
            elif follows and same:
                differences.append(f"truncated: SQL Server goes on with event {their['seq']} where the journal ends")
            else:
                same = False
                differences.append(f"extra: nothing in the journal leads to event {their['seq']} of SQL Server")
        elif their:
            same = False
            differences.append(f"missing: event {our['seq']} is gone from SQL Server")
        elif our["seq"] <= told["acknowledged"]:
            differences.append(f"truncated: SQL Server had acknowledged event {our['seq']}, and ends before it")
        at = min(row["seq"] for row in (their, our) if row)
        if their and their["seq"] == at:
            chain, held = raw(their["journal_hash"]), held + 1
            their = next(theirs, None)
        if our and our["seq"] == at:
            heads[our["run"]] = raw(our["event_hash"])
            ended, our = at, next(ours, None)
    if held != told["events"]:
        differences.append(f"edited: the export has {held} events of SQL Server, the manifest says {told['events']}")
    for seq, ours_hash, theirs_hash, wrong in edited:
        if theirs_hash != ours_hash and theirs_hash in places:
            differences.append(f"out of order: in SQL Server event {places[theirs_hash]} stands at {seq}")
        else:
            differences.append(f"edited: event {seq} of SQL Server differs in {wrong}")
    return differences


def verify(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    whole = manifest["scope"] == "journal"
    differences = []
    runs = {}  # number -> (last run_seq, last event_hash)
    kinds = {}  # number -> what its last event is
    gone = {}  # number -> the run_seq of each event without bytes that is not accounted for
    pruned = 0
    journal, last_seq, events = ZERO, 0, 0
    with open(folder / "events.jsonl", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            row = json.loads(line)
            where = f"row {row['seq']} (r{row['run']} event {row['run_seq']}, line {number})"
            events += 1
            if whole and row["seq"] != last_seq + 1:
                kind = "missing" if row["seq"] > last_seq + 1 else "out of order"
                differences.append(f"{kind}: {where}: row {last_seq + 1} was expected")
            last_seq = row["seq"]
            run_seq, head = runs.get(row["run"], (0, ZERO))
            if row["run_seq"] != run_seq + 1:
                kind = "missing" if row["run_seq"] > run_seq + 1 else "out of order"
                differences.append(f"{kind}: {where}: event {run_seq + 1} was expected")
            event_hash = sha256(head, row["event"].encode())
            if row["event"] and event_hash.hex() != row["event_hash"]:
                differences.append(f"edited: {where}: its bytes do not match their hash")
            stored = bytes.fromhex(row["event_hash"])
            if whole:
                if sha256(journal, stored).hex() != row["journal_hash"]:
                    differences.append(f"out of order: {where}: the journal's chain does not lead here")
                journal = bytes.fromhex(row["journal_hash"])
            runs[row["run"]] = (row["run_seq"], stored)
            if not row["event"]:
                pruned += 1
                gone.setdefault(row["run"], []).append(row["run_seq"])
                continue
            event = json.loads(row["event"])
            # Version 1 repeated the place that the chain gives an event.
            if event.get("seq", row["run_seq"]) != row["run_seq"]:
                differences.append(f"out of order: {where}: the event says it is {event['seq']}")
            before = kinds.get(row["run"])
            kinds[row["run"]] = event["kind"]
            if event["kind"] == "run_compacted":
                if before != "run_sealed":
                    differences.append(f"edited: {where}: the run was not sealed")
                if gone.pop(row["run"], []) != event["body"]["pruned"]:
                    differences.append(f"missing: {where}: other events are gone than it says")
            for digest in digests(event.get("body")):
                if not (folder / "artifacts" / digest).is_file():
                    differences.append(f"missing: artifact {digest}, named by {where}")
    for number in sorted(gone):
        differences.append(f"missing: events of r{number} are gone, and none says that retention took them")
    if events != manifest["events"]:
        kind = "truncated" if events < manifest["events"] else "extra"
        differences.append(f"{kind}: {events} events, where the manifest says {manifest['events']}")
    if whole and events and journal.hex() != manifest["head"]:
        differences.append("truncated: the last journal hash is not the manifest's head")
    artifacts = 0
    for path in sorted((folder / "artifacts").iterdir()):
        artifacts += 1
        if hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
            differences.append(f"edited: artifact {path.name}")
    told = manifest.get("sqlserver")
    if told and told["state"] == "exported":
        differences += trail(folder, told)
    for difference in differences:
        print(f"differs: {difference}")
    word = "NOT verified" if differences else "verified"
    print(f"{word}: {events} events of {len(runs)} runs, {artifacts} artifacts")
    if told:
        print(f"  SQL Server: {told['state']}, {told['events']} events")
    if pruned:
        print(f"  {pruned} of them keep their hash alone: retention took their bytes")
    return 5 if differences else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(verify(pathlib.Path(sys.argv[1])))
