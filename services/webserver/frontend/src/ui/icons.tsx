// Every icon of the page, drawn here so that nothing is fetched and nothing else is needed.

import type { ReactNode } from "react";

const PATHS = {
  search: <path d="M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm4-1 3.5 3.5" />,
  play: <path d="M4.5 2.8v10.4L13 8 4.5 2.8Z" fill="currentColor" />,
  close: <path d="m4 4 8 8m0-8-8 8" />,
  down: <path d="m4 6 4 4 4-4" />,
  right: <path d="m6 4 4 4-4 4" />,
  left: <path d="m10 4-4 4 4 4" />,
  up: <path d="m4 10 4-4 4 4" />,
  more: <path d="M3.5 8h.01M8 8h.01M12.5 8h.01" strokeWidth="2.4" />,
  warning: <path d="M8 2 1.5 13.5h13L8 2Zm0 4.5v3.2m0 2v.1" />,
  refresh: <path d="M13.5 8A5.5 5.5 0 1 1 11.6 3.8M13.5 2v3.2h-3.2" />,
  check: <path d="m3 8.5 3.2 3.2L13 4.8" />,
  user: <path d="M8 8a2.7 2.7 0 1 0 0-5.4A2.7 2.7 0 0 0 8 8Zm-5 5.5c.6-2.4 2.6-3.6 5-3.6s4.4 1.2 5 3.6" />,
  globe: <path d="M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM2 8h12M8 2c-4 4-4 8 0 12 4-4 4-8 0-12Z" />,
  sun: <path d="M8 10.7a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4ZM8 1.5v1.7m0 9.6v1.7M1.5 8h1.7m9.6 0h1.7M3.4 3.4l1.2 1.2m6.8 6.8 1.2 1.2m0-9.2-1.2 1.2m-6.8 6.8-1.2 1.2" />,
  wide: <path d="M6 3H3v3m7-3h3v3M6 13H3v-3m7 3h3v-3" />,
  narrow: <path d="M3 6h3V3m7 3h-3V3M3 10h3v3m7-3h-3v3" />,
  download: <path d="M8 2.5v7.2m-3-3 3 3 3-3M3 13h10" />,
  wrap: <path d="M2.5 4h11M2.5 8h9a2.2 2.2 0 0 1 0 4.4H8m1.7-1.8L8 12.4l1.7 1.8M2.5 12.4h2.5" />,
  follow: <path d="M8 2.5v8m-3.5-3.5L8 10.5 11.5 7M3.5 13.5h9" />,
  plus: <path d="M8 3v10M3 8h10" />,
  minus: <path d="M3 8h10" />,
  fit: <path d="M2.5 5.5v-3h3m5 0h3v3m0 5v3h-3m-5 0h-3v-3M6 6h4v4H6z" />,
  keyboard: <path d="M1.5 4h13v8h-13zM4 6.5h.01M6.5 6.5h.01M9 6.5h.01M11.5 6.5h.01M5 9.5h6" />,
  link: <path d="M6.5 9.5 9.5 6.5M7 4.5 8.6 3a3 3 0 0 1 4.3 4.3L11.5 9M9 11.5 7.4 13a3 3 0 0 1-4.3-4.3L4.5 7" />,
  pencil: <path d="m3 13 .7-3L10.5 3.2l2.3 2.3L6 12.3 3 13Z" />,
  trash: <path d="M3 4.5h10M6.5 4V2.5h3V4m-5 .5.6 9h5.8l.6-9M6.7 7v4m2.6-4v4" />,
  info: <path d="M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Zm0-6.5v3.7M8 5v.1" />,
} as const satisfies Record<string, ReactNode>;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      {PATHS[name]}
    </svg>
  );
}

export function Logo({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="var(--accent)" />
      <g fill="none" stroke="var(--accent-text)" strokeWidth="2.6" strokeLinecap="round">
        <path d="M6 12h12.5a3.5 3.5 0 1 0-3.3-4.7" />
        <path d="M6 17h17a3.5 3.5 0 1 1-3.3 4.7" />
        <path d="M6 22h8.5a2.6 2.6 0 1 1-2.4 3.6" />
      </g>
    </svg>
  );
}
