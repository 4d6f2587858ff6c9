#include "services/common/metrics/process_metrics.h"

#include <dirent.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace sallyport {
namespace {

std::string ReadAll(const char* path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

void Add(std::string_view name, std::string_view type, std::string_view help,
         double value, std::string* out) {
  absl::StrAppendFormat(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n",
                        std::string(name), std::string(help), std::string(name),
                        std::string(type), std::string(name), value);
}

std::optional<double> OpenFiles() {
  DIR* const dir = opendir("/proc/self/fd");
  if (dir == nullptr) return std::nullopt;
  double count = -1;  // the one that lists
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(dir);
  return count;
}

// Seconds from the epoch to the start of the machine.
std::optional<double> BootTime() {
  for (const auto& line : absl::StrSplit(ReadAll("/proc/stat"), '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    double value;
    if (words.size() == 2 && words[0] == "btime" &&
        absl::SimpleAtod(words[1], &value)) {
      return value;
    }
  }
  return std::nullopt;
}

}  // namespace

std::string ProcessMetricsText() {
  std::string out;
  const std::string stat = ReadAll("/proc/self/stat");
  // The name, field 2, may hold spaces; what follows its ")" does not.
  const size_t close = stat.rfind(')');
  if (close == std::string::npos || close + 2 > stat.size()) return out;
  const std::vector<std::string> fields =
      absl::StrSplit(stat.substr(close + 2), ' ');
  const auto field = [&](size_t number) -> double {
    double value = 0;
    // Field numbers of proc(5); the first here is 3.
    if (number - 3 < fields.size()) {
      static_cast<void>(absl::SimpleAtod(fields[number - 3], &value));
    }
    return value;
  };
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  Add("process_cpu_seconds_total", "counter", "User and system time.",
      (field(14) + field(15)) / ticks, &out);
  Add("process_threads", "gauge", "Threads.", field(20), &out);
  Add("process_virtual_memory_bytes", "gauge", "Virtual memory.", field(23),
      &out);
  Add("process_resident_memory_bytes", "gauge", "Resident memory.",
      field(24) * static_cast<double>(sysconf(_SC_PAGESIZE)), &out);
  if (const auto boot = BootTime()) {
    Add("process_start_time_seconds", "gauge",
        "Start, seconds since the epoch.", *boot + field(22) / ticks, &out);
  }
  if (const auto files = OpenFiles()) {
    Add("process_open_fds", "gauge", "Open file descriptors.", *files, &out);
  }
  return out;
}

}  // namespace sallyport
