/// The `HELP` text of each metric family.
enum MetricDescriptions {
  static let help: [String: String] = [
    "tapedeck_admission_open": "1 while new downloads may start, 0 while they wait for free disk space.",
    "tapedeck_archived_bytes_total": "Bytes of platform recordings that were archived.",
    "tapedeck_damaged_recordings": "Recordings that are damaged and not yet repaired.",
    "tapedeck_disk_free_bytes": "Free bytes on the disk of the spool, the objects or the catalog.",
    "tapedeck_download_bytes_total": "Bytes received from the platform.",
    "tapedeck_download_resumes_total": "Interrupted downloads that were resumed.",
    "tapedeck_http_request_seconds": "Time until the response head was ready.",
    "tapedeck_http_requests_total": "HTTP requests answered.",
    "tapedeck_jobs": "Jobs in the catalog, by stage and state.",
    "tapedeck_jobs_ended_total": "Jobs that ended, by outcome: ready or an error code.",
    "tapedeck_metrics_series_dropped_total": "Measurements dropped because the limit on series was reached.",
    "tapedeck_partial_recordings": "Archived recordings with parts for which the platform has no media.",
    "tapedeck_platform_budget_used_ratio":
      "Requests sent in the last minute, as a share of what the current rate allows.",
    "tapedeck_platform_paused_seconds": "Remaining seconds of the pause that the platform asked for.",
    "tapedeck_platform_rate_configured": "Configured limit in requests per second; 0 for no limit.",
    "tapedeck_platform_rate_effective": "Current limit in requests per second; 0 for no limit.",
    "tapedeck_platform_retry_ratio": "Share of retries among the requests of the last minutes.",
    "tapedeck_platform_request_seconds": "Time until the platform started to respond.",
    "tapedeck_platform_requests_total": "Requests to the platform, by response status.",
    "tapedeck_ready_delay_seconds": "Time from available on the platform to playable in the archive.",
    "tapedeck_backfill_remaining":
      "Estimated number of recordings that running backfills still have to fetch.",
    "tapedeck_task_last_success_timestamp_seconds": "Time of the last success of a recurring task.",
    "tapedeck_removed_objects_total": "Objects removed because no recording refers to them any more.",
    "tapedeck_stray_objects_total": "Orphans found: objects in the store that no row of the catalog refers to.",
    "tapedeck_sync_lag_seconds": "Age of the moment up to which sync has listed all calls.",
    "tapedeck_sync_queued_total": "Recordings queued by sync, look-back or backfill.",
    "tapedeck_step_seconds": "Time of each step of an ingest.",
    "tapedeck_verified_bytes_total": "Bytes read back and compared by verification.",
    "tapedeck_verified_objects_total": "Objects read back and compared by verification, by outcome.",
    "tapedeck_webhook_deliveries_total": "Attempts to deliver a webhook message.",
    "tapedeck_webhook_messages": "Webhook messages in the catalog.",
  ]
}
