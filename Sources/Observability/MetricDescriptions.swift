/// What each family of metrics means, as a scrape tells it.
enum MetricDescriptions {
  static let help: [String: String] = [
    "tapedeck_admission_open": "1 while new downloads may begin, 0 while they wait for space on a disk.",
    "tapedeck_archived_bytes_total": "Bytes of the platform's files that entered the archive.",
    "tapedeck_disk_free_bytes": "Free bytes of the disk that holds the spool, the objects, the catalog.",
    "tapedeck_download_bytes_total": "Bytes received from the platform.",
    "tapedeck_download_resumes_total": "Downloads that were taken up again after they broke off.",
    "tapedeck_http_request_seconds": "Time until the head of an answer was ready.",
    "tapedeck_http_requests_total": "Requests answered.",
    "tapedeck_jobs": "Jobs in the catalog.",
    "tapedeck_jobs_ended_total": "Jobs that ended, by ready or the code of their failure.",
    "tapedeck_metrics_series_dropped_total": "Measurements that were lost because there would be too many series.",
    "tapedeck_platform_budget_used_ratio": "Requests of the last minute, of those that the present rate allows in one.",
    "tapedeck_platform_paused_seconds": "How long the platform still wants silence.",
    "tapedeck_platform_rate_configured": "Requests a second that the settings allow; 0 for no limit.",
    "tapedeck_platform_rate_effective": "Requests a second that are made at most at present; 0 for no limit.",
    "tapedeck_platform_retry_ratio": "Requests of the last minutes that were made again after a failure, of all.",
    "tapedeck_platform_request_seconds": "Time until the platform began to answer.",
    "tapedeck_platform_requests_total": "Requests to the platform, by the status of their answer.",
    "tapedeck_ready_delay_seconds": "Time from available on the platform to playable here.",
    "tapedeck_backfill_remaining":
      "Recordings that running back-fills still have to fetch, as far as can be estimated.",
    "tapedeck_duty_last_success_timestamp_seconds": "When a recurring duty last went well.",
    "tapedeck_sync_lag_seconds": "How long ago the moment is up to which all calls have been asked for.",
    "tapedeck_sync_queued_total": "Recordings that were queued because the platform lists them.",
    "tapedeck_step_seconds": "Time of each step of a recording's way.",
    "tapedeck_webhook_deliveries_total": "Attempts to deliver a webhook message.",
    "tapedeck_webhook_messages": "Webhook messages in the catalog.",
  ]
}
