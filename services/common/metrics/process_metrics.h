// What the kernel knows of this process, under Prometheus's standard names.

#ifndef SALLYPORT_SERVICES_COMMON_METRICS_PROCESS_METRICS_H_
#define SALLYPORT_SERVICES_COMMON_METRICS_PROCESS_METRICS_H_

#include <string>

namespace sallyport {

// process_resident_memory_bytes, process_virtual_memory_bytes,
// process_open_fds, process_threads, process_cpu_seconds_total and
// process_start_time_seconds in the Prometheus text format, read from /proc at
// the time of the call. What cannot be read is left out.
std::string ProcessMetricsText();

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_METRICS_PROCESS_METRICS_H_
