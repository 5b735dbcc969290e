import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { makeQueryClient } from "./api/queries";
import { App } from "./app";
import { SpeechProvider } from "./i18n";
import { ToastProvider } from "./ui/toasts";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/dags.css";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={makeQueryClient()}>
      <SpeechProvider>
        <ToastProvider>
          <App />
        </ToastProvider>
      </SpeechProvider>
    </QueryClientProvider>
  </StrictMode>,
);
