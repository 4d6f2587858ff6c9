// In which mode the processes of the installation run, as they reported
// (IMP-66, IMP-72).

#ifndef SALLYPORT_SERVICES_CAPF_IO_FIPS_REPORTS_H_
#define SALLYPORT_SERVICES_CAPF_IO_FIPS_REPORTS_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/common/fips/fips_mode.h"

namespace sallyport::capf {

// A value.
struct FipsReport {
  std::string service;  // verified: "media_relay"
  std::string instance;
  FipsState state;
  std::string module;
  absl::Time report_time = absl::InfinitePast();
  // It watches trust and says nothing of its mode.
  bool silent = false;

  // What differs from the installation's mode: "MODE_DIFFERS",
  // "SELF_TESTS_NOT_PASSED", "MODE_NOT_REPORTED", "REPORT_OLD"; empty: nothing.
  std::string DifferenceFrom(bool installation_on, absl::Time now) const;
};

// Those that reported to this replica of capf within the last day. On the work
// thread only.
class FipsReports {
 public:
  void Note(FipsReport report);
  // In order of service and instance. `watchers`, pairs of service and
  // instance, are who should have reported too.
  std::vector<FipsReport> All(
      const std::vector<std::pair<std::string, std::string>>& watchers,
      absl::Time now) const;

 private:
  std::map<std::pair<std::string, std::string>, FipsReport> reports_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_FIPS_REPORTS_H_
