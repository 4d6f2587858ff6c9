#include "services/dialplan/load/load_report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>

#include "services/dialplan/load/load_client.h"

namespace sallyport::dialplan {

void QuestionSource::Next(
    ::sallyport::dialplan::v1::ResolveRouteRequest& question) {
  do {
    next_ = static_cast<int>((next_ + 7919L) % region_.patterns);
  } while (!IsVisible(region_, next_));
  question.set_parent(TenantOfPattern(region_, next_));
  question.set_calling_search_space(SearchSpaceOf(question.parent()));
  question.set_calling_number("1001");
  question.set_called_number(NumberOf(region_, next_));
}

Ticks ReadTicks(int server_pid) {
  Ticks out;
  if (server_pid != 0) {
    std::ifstream in("/proc/" + std::to_string(server_pid) + "/stat");
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    // Behind the name in parentheses; utime and stime are fields 14 and 15.
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string skip;
    for (int i = 3; i < 14; ++i) fields >> skip;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    out.server = user + system;
  }
  std::ifstream in("/proc/stat");
  std::string cpu;
  in >> cpu;
  double value = 0;
  for (int i = 0; i < 8 && in >> value; ++i) {
    out.machine += value;
    if (i == 7) out.stolen = value;
  }
  return out;
}

std::string ReportLine(std::vector<absl::Duration>& samples,
                       absl::Duration length, const Ticks& before,
                       const Ticks& after, const std::string& more) {
  double load = 0;
  std::ifstream("/proc/loadavg") >> load;
  const auto count = static_cast<double>(samples.size());
  const double machine = std::max(1.0, after.machine - before.machine);
  char line[512];
  std::snprintf(
      line, sizeof(line),
      "{\"calls_per_second\": %.0f, \"server_cpu_us\": %.1f, "
      "\"steal_percent\": %.2f, \"load_average\": %.1f, \"p50_us\": %.1f, "
      "\"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f%s}",
      count / absl::ToDoubleSeconds(length),
      (after.server - before.server) * 1e4 / std::max(1.0, count),
      100 * (after.stolen - before.stolen) / machine, load,
      PercentileMs(samples, 0.5) * 1000, PercentileMs(samples, 0.9) * 1000,
      PercentileMs(samples, 0.99) * 1000, PercentileMs(samples, 0.999) * 1000,
      more.c_str());
  return line;
}

}  // namespace sallyport::dialplan
