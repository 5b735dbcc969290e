import { RunsTable } from "../pages/runs";

export default function RunsTab({ dagId }: { dagId: string }) {
  return (
    <div className="pad stack">
      <RunsTable dagId={dagId} />
    </div>
  );
}
