// Node-RED as lean as it goes: no editor, no telemetry, no projects, warnings only.
module.exports = {
  uiHost: "127.0.0.1",
  flowFile: "flows.json",
  httpAdminRoot: false,
  disableEditor: true,
  credentialSecret: false,
  telemetry: { enabled: false, updateNotification: false },
  editorTheme: { projects: { enabled: false } },
  logging: { console: { level: "warn", metrics: false, audit: false } },
};
