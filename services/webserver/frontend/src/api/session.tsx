// Who is signed in. Everything below SessionGate may rely on useMe(); without a session the gate
// shows the sign-in page at whatever address was asked for, which then opens after signing in.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useRef, useState, type ReactNode } from "react";
import { ApiError, forgetAnswers, isLost, rememberCsrf, request, whenSignedOut } from "./client";
import type { Me } from "./types";

const MeContext = createContext<Me | null>(null);

export const ME_KEY = ["me"] as const;

async function fetchMe(): Promise<Me | null> {
  try {
    const me = await request<Me>("/ui/me");
    rememberCsrf(me);
    return me;
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return null;
    throw error;
  }
}

export function useMe(): Me {
  const me = useContext(MeContext);
  if (!me) throw new Error("useMe is used outside SessionGate");
  return me;
}

/** Who is signed in, or null on the sign-in page. */
export function useMeIfSignedIn(): Me | null {
  return useContext(MeContext);
}

interface GateProps {
  signIn(props: { expired: boolean; onSignedIn(): Promise<void> }): ReactNode;
  waiting(error: unknown): ReactNode;
  children: ReactNode;
}

export function SessionGate({ signIn, waiting, children }: GateProps) {
  const client = useQueryClient();
  const [expired, setExpired] = useState(false);
  const session = useQuery({
    queryKey: ME_KEY,
    queryFn: fetchMe,
    staleTime: Infinity,
    // Tells of a change of role and of a new version; while the server is away, whether it is back.
    refetchInterval: (query) => (isLost(query.state.error) ? 2000 : 300_000),
  });
  const me = session.data;
  const signedIn = useRef(false);
  signedIn.current = !!me;

  useEffect(() => {
    whenSignedOut(() => {
      if (!signedIn.current) return;
      setExpired(true);
      client.setQueryData(ME_KEY, null);
    });
  }, [client]);

  if (me) return <MeContext value={me}>{children}</MeContext>;
  if (me === undefined) return waiting(session.error);
  return signIn({
    expired,
    onSignedIn: async () => {
      // Nothing that another person saw is shown to this one.
      forgetAnswers();
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== "me" });
      setExpired(false);
      const { data, error } = await session.refetch();
      if (error) throw error;
      // The password was right, yet the browser did not keep the cookie.
      if (!data) throw new ApiError(401, "");
    },
  });
}

export function useSignOut(): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    try {
      await request("/ui/logout", { method: "POST", body: {} });
    } finally {
      forgetAnswers();
      client.setQueryData(ME_KEY, null);
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== "me" });
    }
  };
}
