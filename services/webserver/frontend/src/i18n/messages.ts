// Filling in a message. Pure, so that it is tested without a page.

export type Values = Record<string, string | number>;

/** Replace {name} by values, and {n|one|many} by the word that fits n. */
export function fill(message: string, values?: Values): string {
  return message.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (whole, name: string, one?: string, many?: string) => {
    const value = values?.[name];
    if (value === undefined) return whole;
    if (one !== undefined && many !== undefined) return Number(value) === 1 ? one : many;
    return String(value);
  });
}

/** The names that a message wants filled in. */
export function placeholders(message: string): string[] {
  return [...new Set([...message.matchAll(/\{(\w+)/g)].map((match) => match[1] as string))].sort();
}
