/// What each family of metrics means, as a scrape tells it.
enum MetricDescriptions {
  static let help: [String: String] = [
    "tapedeck_archived_bytes_total": "Bytes of the platform's files that entered the archive.",
    "tapedeck_download_bytes_total": "Bytes received from the platform.",
    "tapedeck_download_resumes_total": "Downloads that were taken up again after they broke off.",
    "tapedeck_http_request_seconds": "Time until the head of an answer was ready.",
    "tapedeck_http_requests_total": "Requests answered.",
    "tapedeck_jobs": "Jobs in the catalog.",
    "tapedeck_jobs_ended_total": "Jobs that ended, by ready or the code of their failure.",
    "tapedeck_metrics_series_dropped_total": "Measurements that were lost because there would be too many series.",
    "tapedeck_platform_request_seconds": "Time until the platform began to answer.",
    "tapedeck_platform_requests_total": "Requests to the platform, by the status of their answer.",
    "tapedeck_ready_delay_seconds": "Time from available on the platform to playable here.",
    "tapedeck_step_seconds": "Time of each step of a recording's way.",
    "tapedeck_webhook_deliveries_total": "Attempts to deliver a webhook message.",
    "tapedeck_webhook_messages": "Webhook messages in the catalog.",
  ]
}
