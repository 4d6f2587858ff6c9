#include "services/signaling_edge/load/load_settings.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace sallyport::signaling_edge {

double Seconds() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

ServerTime::Sample ServerTime::Now() const {
  Sample out;
  out.wall = Seconds();
  for (const pid_t pid : pids_) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(
             absl::StrCat("/proc/", pid, "/task"), error)) {
      double ns = 0;
      std::string name;
      std::ifstream(entry.path() / "schedstat") >> ns;
      std::ifstream(entry.path() / "comm") >> name;
      out.all += ns / 1e9;
      if (name.starts_with("edge_loop")) out.loop += ns / 1e9;
    }
  }
  return out;
}

double ServerTime::ResidentBytes() const {
  double pages = 0;
  for (const pid_t pid : pids_) {
    double size = 0;
    double resident = 0;
    double shared = 0;
    std::ifstream(absl::StrCat("/proc/", pid, "/statm")) >> size >> resident >>
        shared;
    pages += resident - shared;
  }
  return pages * 4096;
}

void AddRates(const ServerTime::Sample& from, const ServerTime::Sample& to,
              double count, LoadResult& out) {
  const double wall = to.wall - from.wall;
  const double all = to.all - from.all;
  const double loop = to.loop - from.loop;
  out["per_second"] = count / wall;
  out["busy"] = all / wall;
  // What a core that does nothing else would do.
  out["per_core"] = all > 0 ? count / all : 0;
  out["us"] = count > 0 ? all / count * 1e6 : 0;
  out["loop_per_core"] = loop > 0 ? count / loop : 0;
  out["loop_us"] = count > 0 ? loop / count * 1e6 : 0;
}

double Percentile(std::vector<double>& samples, double share) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const auto rank =
      static_cast<size_t>(share * static_cast<double>(samples.size()));
  return samples[std::min(rank, samples.size() - 1)];
}

}  // namespace sallyport::signaling_edge
