// The documentation of a DAG, written in Markdown by its author. HTML in it is shown as text.

import { compiler } from "markdown-to-jsx";

export default function Markdown({ text }: { text: string }) {
  return (
    <div className="markdown">
      {compiler(text, {
        disableParsingRawHTML: true,
        forceBlock: true,
        overrides: { a: { props: { rel: "noreferrer noopener", target: "_blank" } } },
      })}
    </div>
  );
}
