"""The deliberate breakages, by the attack that has to see them; see `mutations.py`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from proof.mutations import Mutation, tried_all

__all__ = ["BREAKAGES"]

BREAKAGES = (
    # crash states
    Mutation(
        "a new file is not synced before it is renamed",
        "localsessions/_local/files/durable.py",
        "            if durable:\n                _system.sync(fd)\n",
        "",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[append-full]",
    ),
    Mutation(
        'with "fast", a new file is not synced before it is renamed',
        "localsessions/_local/files/publishing.py",
        "        new = durable.write_new(temp, data, mtime_ns=later(former), durable=True)",
        "        new = durable.write_new(temp, data, mtime_ns=later(former), durable=self.is_durable)",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[append-fast]",
    ),
    Mutation(
        "after a write the folder of the temp file is synced, not the session's",
        "localsessions/_local/files/publishing.py",
        "self.sync(os.path.dirname(path), session_id, is_durable=is_durable)",
        "self.sync(self._tmp, session_id, is_durable=is_durable)",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[append-full]",
    ),
    Mutation(
        "after many were written together, the folder is not synced",
        "localsessions/_local/files/batch.py",
        "fault = _sync(folder, folder.save_dir) if visible else None",
        "fault = None",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[create_many-full]",
    ),
    Mutation(
        "of many that are deleted together, the old names are synced before the new ones",
        "localsessions/_local/files/batch.py",
        "fault = _sync(folder, folder.trash.folder, folder.save_dir)",
        "fault = _sync(folder, folder.save_dir, folder.trash.folder)",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[delete_many with checkpoints-full]",
    ),
    Mutation(
        "a session whose lock is held is written together with the others",
        "localsessions/_local/files/locks.py",
        "                        break\n                    continue\n",
        "                        break\n",
        "tests/contract/test_many.py::test_a_session_that_somebody_changes_is_waited_for_when_all_others_are_stored[folder]",
    ),
    Mutation(
        "the folder above a new one is not synced",
        "localsessions/_local/files/durable.py",
        "    if durable:\n        _system.sync_folder(parent)\n",
        "",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[create the first-full]",
    ),
    Mutation(
        "a deleted session's old name is made durable before the new one",
        "localsessions/_local/files/trash.py",
        "        there = self._publisher.sync(os.path.dirname(target), session_id, is_durable=is_durable)\n        gone = self._publisher.sync(os.path.dirname(source), session_id, is_durable=is_durable)\n",
        "        gone = self._publisher.sync(os.path.dirname(source), session_id, is_durable=is_durable)\n        there = self._publisher.sync(os.path.dirname(target), session_id, is_durable=is_durable)\n",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[delete with checkpoints-full]",
    ),
    Mutation(
        "an emptied trash is not synced",
        "localsessions/_local/deleting.py",
        "            self._folder.trash.sync(purged[-1].session_id)\n",
        "            pass\n",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[empty_trash with checkpoints-full]",
    ),
    Mutation(
        "a purge removes checkpoints before the removal of their session is durable",
        "localsessions/_local/files/trash.py",
        "                doubt = self._publisher.sync(self.folder, item.session_id)\n",
        "                pass\n",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[empty_trash with checkpoints-full]",
    ),
    Mutation(
        "the .gitignore gets its name before it is written",
        "localsessions/_local/files/publishing.py",
        '            durable.write_new(temp, b"*\\n", mtime_ns=None, durable=True)\n            _system.rename(temp, path)\n',
        '            durable.write_new(path, b"*\\n", mtime_ns=None, durable=True)\n',
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[create the first-full]",
    ),
    Mutation(
        "with fast durability the version before is kept while its name may come back",
        "localsessions/_local/files/spares.py",
        "data, former, is_durable=is_kept)",
        "data, former)",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[append, and again-fast]",
    ),
    Mutation(
        "with fast durability the version before is written to while its name may come back",
        "localsessions/_local/files/spares.py",
        "self._publisher.publish(session_id, temp, path, new, is_durable=True)",
        "self._publisher.publish(session_id, temp, path, new)",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[append, and again-fast]",
    ),
    Mutation(
        "with fast durability a restored session is added to while its name in the trash may come back",
        "localsessions/_local/files/trash.py",
        "self._move(item.path, path, item.session_id, is_durable=True)",
        "self._move(item.path, path, item.session_id)",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[restore, append, and again-fast]",
    ),
    # power cuts and disks
    Mutation(
        "the folder is not synced after the rename",
        "localsessions/_local/files/publishing.py",
        "            return None\n        try:\n            _system.sync_folder(folder)\n",
        "            return None\n        try:\n            pass\n",
        "tests/proof/test_power_cuts.py::test_what_a_verb_did_is_there_after_a_cut_right_after_it[ext4]",
    ),
    Mutation(
        "with fast durability the file is not synced before the rename",
        "localsessions/_local/files/publishing.py",
        "new = durable.write_new(temp, data, mtime_ns=later(former), durable=True)",
        "new = durable.write_new(temp, data, mtime_ns=later(former), durable=self.is_durable)",
        "tests/proof/test_power_cuts.py::test_with_fast_durability_each_session_is_one_whole_version_after_a_cut[xfs]",
    ),
    Mutation(
        "emptying the trash is acknowledged before the disk knows it",
        "localsessions/_local/deleting.py",
        "            self._folder.trash.sync(purged[-1].session_id)\n",
        "            pass\n",
        "tests/proof/test_power_cuts.py::test_what_a_verb_did_is_there_after_a_cut_right_after_it[ext4]",
    ),
    Mutation(
        "a short write is taken for a whole one",
        "localsessions/_local/files/durable.py",
        "    while view:\n        view = view[os.write(fd, view[:_LARGEST_CALL]) :]\n",
        "    os.write(fd, view[:_LARGEST_CALL])\n",
        "tests/proof/test_full_disks.py::test_a_write_that_is_cut_short_leaves_what_was[append]",
    ),
    Mutation(
        "a failed write leaves its temp file",
        "localsessions/_local/files/durable.py",
        "    except BaseException:  # Ctrl-C too: remove the temp file, then re-raise\n        discard(path)\n",
        "    except BaseException:  # Ctrl-C too: remove the temp file, then re-raise\n",
        "tests/proof/test_full_disks.py::test_a_write_that_is_cut_short_leaves_what_was[append]",
    ),
    Mutation(
        "a failed sync is tried again on the same file",
        "localsessions/_system/posix.py",
        "            return\n    os.fsync(fd)\n",
        "            return\n    try:\n        os.fsync(fd)\n    except OSError:\n        os.fsync(fd)\n",
        "tests/proof/test_full_disks.py::test_a_write_whose_sync_fails_is_not_acknowledged[ext4]",
    ),
    Mutation(
        "on a full disk deleting wants room for a .gitignore",
        "localsessions/_local/files/publishing.py",
        "            if not isinstance(error, OSError) or error.errno not in durable.NO_ROOM:\n                raise\n",
        "            raise\n",
        "tests/proof/test_full_disks.py::test_on_an_exhausted_disk_a_verb_says_so_or_needs_no_room[tmpfs]",
    ),
    Mutation(
        "a folder on a full disk cannot be opened for reading",
        "localsessions/_local/files/folder.py",
        "            if error.errno not in (*_READ_ONLY, *durable.NO_ROOM):\n",
        "            if error.errno not in _READ_ONLY:\n",
        "tests/proof/test_full_disks.py::test_a_folder_that_was_copied_to_a_full_disk_can_be_read[inodes]",
    ),
    Mutation(
        "an index on an all but full disk shares memory that may have no room",
        "localsessions/_local/index/database.py",
        "        if status.f_blocks and status.f_bavail * status.f_frsize < _LEAST_ROOM_BYTES:\n",
        "        if False:\n",
        "tests/proof/test_full_disks.py::test_where_little_room_is_left_no_index_shares_memory_that_may_have_none",
    ),
    Mutation(
        "an index that cannot be written ends the verb",
        "localsessions/_local/index/database.py",
        '    "SQLITE_IOERR",\n',
        "",
        "tests/proof/test_full_disks.py::test_an_index_that_cannot_be_written_on_leaves_every_answer_right",
    ),
    # calls that fail
    Mutation(
        "a temp file stays when its write fails",
        "localsessions/_local/files/durable.py",
        "    except BaseException:  # Ctrl-C too: remove the temp file, then re-raise\n        discard(path)\n        raise",
        "    except KeyboardInterrupt:\n        discard(path)\n        raise",
        "tests/proof/test_faults.py::test_a_call_that_fails_once_leaves_the_old_version_or_the_new_one[create]",
    ),
    Mutation(
        "a file that cannot be looked at is taken for one that is not there",
        "localsessions/_local/files/durable.py",
        "        return _system.lstat(path)\n    except (FileNotFoundError, NotADirectoryError):",
        "        return _system.lstat(path)\n    except OSError:",
        "tests/local/test_folder.py::test_nothing_is_overwritten_while_nobody_can_tell_whether_the_session_is_there",
    ),
    Mutation(
        "checkpoints that cannot be looked at are taken for none and stay when their session goes",
        "localsessions/_local/files/trash.py",
        "        has_checkpoints = durable.is_folder(source)",
        "        has_checkpoints = os.path.isdir(source)",
        "tests/proof/test_faults.py::test_a_call_that_fails_once_leaves_the_old_version_or_the_new_one[delete with checkpoints]",
    ),
    Mutation(
        "a folder that could not be synced is an error like any other, though the file is there",
        "localsessions/_local/files/publishing.py",
        "            return DurabilityUnknownError(error, session_id=session_id, path=folder)",
        "            raise error",
        "tests/proof/test_faults.py::test_a_call_that_fails_once_leaves_the_old_version_or_the_new_one[append]",
    ),
    Mutation(
        "a rename that was done is believed to have failed",
        "localsessions/_local/files/publishing.py",
        "            if not isinstance(error, OSError) or not self.found_at(path, new):",
        "            if True:",
        "tests/proof/test_faults.py::test_a_session_whose_rename_was_done_and_said_to_have_failed_can_be_saved_again",
    ),
    Mutation(
        "a file that cannot be looked at after it was renamed makes the write an error",
        "localsessions/_local/files/publishing.py",
        "        except OSError:\n            return None  # unknown, which does not mean that the write failed",
        "        except FileNotFoundError:\n            return None",
        "tests/proof/test_faults.py::test_a_call_that_fails_once_leaves_the_old_version_or_the_new_one[append]",
    ),
    Mutation(
        "Ctrl-C in the middle of making a temp file leaves it",
        "localsessions/_local/files/durable.py",
        "    except KeyboardInterrupt:  # raised inside the call, which created the file\n        discard(path)",
        "    except KeyboardInterrupt:",
        "tests/proof/test_kills_at_calls.py::test_ctrl_c_at_a_call_loses_nothing_and_leaves_nothing_over[append]",
    ),
    Mutation(
        "a verb that is cut short leaves the index behind without a sweep being due",
        "localsessions/_local/reconciling.py",
        "            self._swept_at = -math.inf\n            raise",
        "            raise",
        "tests/proof/test_kills_at_calls.py::test_ctrl_c_at_a_call_loses_nothing_and_leaves_nothing_over[create]",
    ),
    Mutation(
        "a descriptor is left open where a file cannot be looked at",
        "localsessions/_local/files/durable.py",
        "        if not is_regular:\n            os.close(fd)",
        "        pass",
        "tests/proof/test_faults.py::test_a_call_that_fails_once_leaves_the_old_version_or_the_new_one[append]",
    ),
    Mutation(
        "a folder that cannot be read is taken for an empty one",
        "localsessions/_local/files/scan.py",
        "        with suppress(FileNotFoundError):\n",
        "        with suppress(OSError):\n",
        "tests/proof/test_faults.py::test_a_verb_that_reads_gives_the_right_answer_or_an_error[changes, fresh]",
    ),
    # kills and races
    Mutation(
        "no lock file is taken, only the mutex of the process",
        "localsessions/_local/files/locks.py",
        "            self._lock_file(named, timeout, deadline)\n",
        "            pass\n",
        "tests/proof/test_schedules.py::test_while_a_writer_stands_still_others_see_one_version_and_do_not_write[rename-before the rename-goes on]",
    ),
    Mutation(
        "the lock file is not compared again before the rename",
        "localsessions/_local/files/locks.py",
        "        self._stripe(stripe_of(session_id)).check()\n",
        "        self._stripe(stripe_of(session_id))\n",
        "tests/proof/test_schedules.py::test_a_writer_whose_lock_file_was_replaced_meanwhile_writes_nothing[save]",
    ),
    Mutation(
        "leaving an asynchronous edit can be cancelled",
        "localsessions/aio.py",
        "                await asyncio.shield(loop.run_in_executor(thread, leave))\n",
        "                await loop.run_in_executor(thread, leave)\n",
        "tests/proof/test_tasks.py::test_leaving_an_edit_that_is_cancelled_before_it_begins_lets_go_of_the_lock",
    ),
    Mutation(
        "a difference is logged as external although its writer holds the lock",
        "localsessions/_local/reconciling.py",
        "            and not self.folder.is_locked(session_id)\n",
        "",
        "tests/proof/test_schedules.py::test_while_a_writer_stands_still_others_see_one_version_and_do_not_write[save-before the row-goes on]",
    ),
    Mutation(
        "a number of the log is the clock's, whatever the last one was",
        "localsessions/_local/index/changelog.py",
        "    return max(number + 1, time.time_ns() // 1000)\n",
        "    return time.time_ns() // 1000\n",
        "tests/proof/test_clocks.py::test_times_numbers_and_ids_grow_whatever_the_clock_does",
    ),
    Mutation(
        "the modification time is the clock's, whatever the former one was",
        "localsessions/_local/files/publishing.py",
        "    return now // grain * grain\n",
        "    return time.time_ns()\n",
        "tests/proof/test_clocks.py::test_times_numbers_and_ids_grow_whatever_the_clock_does",
    ),
    # hostile input
    Mutation(
        "an integer is read however many digits it has",
        "localsessions/_codec/strict.py",
        '        if len(token.lstrip("-")) > MAX_DIGITS:\n            doubts.append(token)\n            return 0\n',
        "",
        "tests/proof/test_hostile_bounds.py::test_an_integer_of_too_many_digits_is_refused_by_reading_and_by_writing_alike[1]",
    ),
    Mutation(
        "an integer is written however many digits it has",
        "localsessions/_codec/explaining.py",
        "and abs(value) >= 10**MAX_DIGITS",
        "and abs(value) < 0",
        "tests/proof/test_hostile_bounds.py::test_an_integer_of_too_many_digits_is_refused_by_reading_and_by_writing_alike[1]",
    ),
    Mutation(
        "a document nested deep on one line is written out indented to be compared",
        "localsessions/_codec/layout.py",
        "    return spaces <= len(data) and depth <= MAX_DEPTH\n",
        "    return True\n",
        "tests/proof/test_hostile_contents.py::test_a_deep_document_on_one_line_is_not_written_out_to_be_compared",
    ),
    Mutation(
        "a revision of thousands of digits is read, and no listing can print it",
        "localsessions/_codec/session_file.py",
        "value.bit_length() > 1024:",
        "value.bit_length() > 1 << 40:",
        "tests/proof/test_hostile_contents.py::test_a_field_of_any_value_is_read_or_refused_with_its_place_and_listed[revision]",
    ),
    Mutation(
        "SQLite follows a link to the database of another user",
        "localsessions/_local/index/database.py",
        "    return stat.S_ISREG(status.st_mode) and status.st_nlink <= 1\n",
        "    return True\n",
        "tests/proof/test_hostile_places.py::test_nothing_outside_is_touched_and_nothing_hangs[places0]",
    ),
    Mutation(
        "checkpoints and trash are written where a link leads",
        "localsessions/_local/files/durable.py",
        '    if os.path.islink(path):\n        raise OSError(errno.ELOOP, "a link has the name of a private folder; remove it", path)\n',
        "    return\n",
        "tests/proof/test_hostile_places.py::test_nothing_outside_is_touched_and_nothing_hangs[places0]",
    ),
    Mutation(
        "emptying the trash empties the folder that a link in it leads to",
        "localsessions/_local/files/trash.py",
        "        if status is not None and stat.S_ISLNK(status.st_mode):\n            durable.unlink(beside)\n        elif status is not None and stat.S_ISDIR(status.st_mode):",
        "        if durable.is_folder(beside):",
        "tests/proof/test_hostile_places.py::test_nothing_outside_is_touched_and_nothing_hangs[places0]",
    ),
    Mutation(
        "both sides' equal tags are kept twice by a merge",
        "localsessions/_rules/merging.py",
        "    return list(dict.fromkeys((*kept, *added)))\n",
        "    return [*kept, *added]\n",
        "tests/proof/test_hostile_contents.py::test_a_tag_that_one_side_has_twice_is_merged_to_one_in_both_orders",
    ),
    Mutation(
        "the last of two equal keys wins in silence",
        "localsessions/_codec/strict.py",
        "        if len(value) != len(pairs):\n            doubts.append(pairs)\n",
        "",
        "tests/proof/test_hostile_bounds.py::test_what_is_long_in_a_file_is_short_in_its_fault",
    ),
    Mutation(
        "a pipe in the place of a session is waited for",
        "localsessions/_system/posix.py",
        "READING = os.O_RDONLY | os.O_NONBLOCK | _OURS",
        "READING = os.O_RDONLY | _OURS",
        "tests/proof/test_hostile_places.py::test_nothing_outside_is_touched_and_nothing_hangs[places0]",
    ),
    # damage of the index, versions
    Mutation(
        "a sweep does not check the rows against the secondary indexes",
        "localsessions/_local/index/database.py",
        'if verdict != "ok":',
        'if verdict == "":',
        "tests/local/index/test_garbled.py::test_a_row_that_is_missing_from_an_index_is_found",
    ),
    Mutation(
        "a database that another program wrote to is not checked again",
        "localsessions/_local/index/integrity.py",
        "        return self._kept is not None and self._kept == seen\n",
        "        return True\n",
        "tests/local/index/test_integrity.py::test_after_a_kill_it_is_checked",
    ),
    Mutation(
        "a large database that anybody wrote to passes for one in custody",
        "localsessions/_local/index/integrity.py",
        "or (_is_large(seen) and self._is_marked(seen))\n",
        "or _is_large(seen)\n",
        "tests/local/index/test_integrity.py::test_of_a_large_index_what_anybody_else_wrote_is_checked_by_all[another program]",
    ),
    Mutation(
        "a file that was replaced while an index was filled leaves its older row",
        "localsessions/_local/index/sessions.py",
        "[row for row in rows if is_current(row)]",
        "list(filter(lambda row: is_current(row) or True, rows))",
        "tests/local/test_filling.py::test_a_file_that_changes_meanwhile_leaves_no_older_row[removed]",
    ),
    Mutation(
        "rows of the index are believed without their seal",
        "localsessions/_local/index/row.py",
        "    if seal != seal_of(session_id, *parts):",
        "    if False:",
        "tests/proof/test_index_damage.py::test_a_garbled_row_is_never_shown",
    ),
    Mutation(
        "the words are opened without a look at their seal",
        "localsessions/_local/index/fulltext.py",
        "            if is_small:\n                _refuse_garbled(db)\n",
        "",
        "tests/local/index/test_garbled.py::test_a_hit_that_was_hidden_in_the_words_is_found_by_whoever_opens_next",
    ),
    Mutation(
        "the log of changes does not know where it ends",
        "localsessions/_local/index/changelog.py",
        '    if number != _meta(db, "last"):',
        "    if False:",
        "tests/local/index/test_garbled.py::test_who_was_away_lists_again_where_the_log_has_lost[the last change]",
    ),
    Mutation(
        "a database of another version is used as it is",
        "localsessions/_local/index/database.py",
        "        if version != self._version:\n            self._make(connection)",
        "        if version == 0:\n            self._make(connection)",
        "tests/proof/test_versions.py::test_a_database_from_anywhere_is_emptied",
    ),
    Mutation(
        "a database that another version rebuilt is taken for one of this version",
        "localsessions/_local/index/database.py",
        "            if version != self._version:  # the same names may mean other things there",
        "            if False:",
        "tests/proof/test_versions.py::test_two_versions_on_one_folder_make_the_index_anew_in_turn",
    ),
    Mutation(
        "a database whose file was swapped is used on",
        "localsessions/_local/index/database.py",
        "return self.path is not None and self._inode != _inode(self.path)",
        "return False",
        "tests/local/index/test_database.py::test_generation_grows_whenever_something_was_lost",
    ),
    Mutation(
        "a hit is not looked at again in the text",
        "localsessions/_local/index/fulltext.py",
        "            elif phrases.occurs_in(found[1].body):",
        "            elif found:",
        "tests/local/index/test_garbled.py::test_a_hit_that_was_invented_in_the_words_is_never_shown",
    ),
    Mutation(
        "a file of a newer format is written in this one",
        "localsessions/_codec/session_file.py",
        "    if session.format != FORMAT:\n        raise",
        "    if session.format == '':\n        raise",
        "tests/proof/test_versions.py::test_no_verb_ever_writes_a_file_of_another_format",
    ),
    Mutation(
        "the schema of the index changes and keeps its number",
        "localsessions/_local/index/schema.py",
        "created_at INTEGER NOT NULL, last_activity INTEGER NOT NULL, expires_at INTEGER,",
        "created_at INTEGER NOT NULL, last_activity INTEGER NOT NULL, expires_at,",
        "tests/proof/test_versions.py::test_a_schema_cannot_change_and_keep_its_number",
    ),
    Mutation(
        "a restored modification time passes for an unchanged file",
        "localsessions/_local/files/durable.py",
        "        status.st_ctime_ns,\n",
        "        0,\n",
        "tests/proof/test_state_machine.py::test_a_walk_through_the_rules_by_hand",
    ),
    Mutation(
        "what an editor saved while the next version was written is replaced",
        "localsessions/_local/files/publishing.py",
        "        if not is_former:\n",
        "        if False:\n",
        "tests/local/test_overtaken.py::test_a_save_that_an_editor_overtakes_is_a_conflict",
    ),
    Mutation(
        "of many sessions, what an editor saved meanwhile is replaced",
        "localsessions/_local/files/batch.py",
        "        folder.publisher.refuse_overtaken(path, version.former, prepared.temp)\n",
        "",
        "tests/local/test_overtaken.py::test_of_many_one_that_an_editor_overtakes_is_a_conflict_and_the_others_are_stored",
    ),
    # writing the end only, and listing
    Mutation(
        "a spare is written although a reader has it open",
        "localsessions/_local/files/spares.py",
        "        _lease(fd)\n",
        "        _let_go = lambda fd: None\n",
        "tests/local/test_growth.py::test_a_reader_that_keeps_an_old_version_open_never_sees_it_change",
    ),
    Mutation(
        "a spare is written although it has another name",
        "localsessions/_local/files/spares.py",
        "            if status.st_nlink != 1:\n",
        "            if False:\n",
        "tests/local/test_growth.py::test_a_backup_of_hard_links_never_changes",
    ),
    Mutation(
        "the end of a file is not synced before it is published",
        "localsessions/_local/files/durable.py",
        "    os.fdatasync(fd)  #",
        "    # ",
        "tests/proof/test_crash_states.py::test_every_state_that_a_power_cut_leaves_is_the_old_or_the_new_one[append, and again-full]",
    ),
    Mutation(
        "what an editor saved while the end was written is replaced",
        "localsessions/_local/files/spares.py",
        "        if self._publisher.found_at(self._publisher.in_tmp(kept), former) is None:\n",
        "        if False:\n",
        "tests/local/test_growth.py::test_an_edit_by_another_program_during_a_turn_stays",
    ),
    Mutation(
        "what was proven of one version of a file is believed of another",
        "localsessions/_local/index/row.py",
        "    is_it = state.settled and state.fingerprint == fingerprint\n",
        "    is_it = True\n",
        "tests/local/test_loading.py::test_a_rewriting_in_place_is_told_by_the_times_that_nobody_can_set",
    ),
    Mutation(
        "the hash of a file is made of that of a row that cannot be believed",
        "localsessions/_local/writing.py",
        "or end is None or not row.settled:",
        "or end is None:",
        "tests/local/test_saving.py::test_a_row_that_cannot_be_believed_gives_no_hash[set_state]",
    ),
    Mutation(
        "a listing believes the index without looking at the files",
        "localsessions/_local/engine.py",
        "            stale = [row for row in rows if not self.reconciler.refresh_row(row)]\n",
        "            stale: list[IndexRow] = []\n",
        "tests/local/test_reconcile.py::test_what_a_page_returns_is_right_without_any_sweep[replaced]",
    ),
)


def main(folder: str) -> int:
    """Try every breakage; say and write what each met."""
    outcomes = list(tried_all(BREAKAGES))
    for outcome in outcomes:
        print("caught" if outcome.caught else "MISSED", outcome.what, f"({outcome.test})")
    found = [asdict(one) for one in outcomes]
    (Path(folder) / "mutations.json").write_text(json.dumps(found, indent=2), "utf-8")
    return 0 if all(one.caught for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
