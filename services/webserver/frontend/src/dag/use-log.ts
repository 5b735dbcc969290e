// A log as it streams: asked for from where the last answer ended, until the server says it is complete.

import { useEffect, useRef, useState } from "react";
import { ApiError, request } from "../api/client";
import type { LogChunk, TriedPlace } from "../api/types";
import { EMPTY_LOG, appendLog, type LogText } from "../lib/log";

export interface LogPlace {
  dagId: string;
  runId: string;
  taskId: string;
  mapIndex: number;
  tryNumber: number;
}

export interface StreamedLog {
  text: LogText;
  complete: boolean;
  /** Something was answered: an empty log is known to be empty. */
  asked: boolean;
  /** Where the log was looked for in vain. */
  tried: readonly TriedPlace[];
  error: unknown;
}

const POLL_MS = 700;
const RETRY_MS = 2000;

const START: StreamedLog = { text: EMPTY_LOG, complete: false, asked: false, tried: [], error: null };

export function fetchLogChunk(place: LogPlace, offset: number, signal?: AbortSignal): Promise<LogChunk> {
  return request<LogChunk>("/ui/log", {
    query: {
      dag_id: place.dagId,
      run_id: place.runId,
      task_id: place.taskId,
      map_index: place.mapIndex,
      try_number: place.tryNumber,
      offset,
    },
    signal,
  });
}

/** Stream a log. While `live`, more is looked for even after the server called the log complete. */
export function useLog({ dagId, runId, taskId, mapIndex, tryNumber }: LogPlace, live: boolean): StreamedLog {
  const [log, setLog] = useState<StreamedLog>(START);
  const read = useRef({ place: "", offset: 0 });
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const place = JSON.stringify([dagId, runId, taskId, mapIndex, tryNumber]);
    if (read.current.place !== place) {
      read.current = { place, offset: 0 };
      setLog(START);
    }
    const step = async () => {
      let wait = POLL_MS;
      const from = read.current.offset;
      try {
        const chunk = await fetchLogChunk({ dagId, runId, taskId, mapIndex, tryNumber }, from, stop.signal);
        if (stop.signal.aborted) return;
        // A shorter file than before is a new one: begin anew.
        const restarted = chunk.next_offset < from;
        read.current.offset = restarted ? 0 : chunk.next_offset;
        setLog((now) => ({
          text: restarted ? EMPTY_LOG : appendLog(now.text, chunk.content),
          complete: chunk.at_end && !live,
          asked: true,
          tried: chunk.tried,
          error: null,
        }));
        if (chunk.at_end && !live) return;
        // Much is still to be read: go on at once. Nothing new: wait a moment.
        if (restarted || chunk.content.length > 50_000) wait = 0;
      } catch (error) {
        if (stop.signal.aborted) return;
        setLog((now) => ({ ...now, asked: true, error }));
        if (error instanceof ApiError && error.status >= 400 && error.status < 500) return;
        wait = RETRY_MS;
      }
      timer = setTimeout(() => void step(), document.hidden ? RETRY_MS : wait);
    };
    void step();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [dagId, runId, taskId, mapIndex, tryNumber, live]);
  return log;
}
