#include "services/capf/io/fips_reports.h"

namespace sallyport::capf {
namespace {

// Services report each minute, to whichever replica they meet.
constexpr absl::Duration kOld = absl::Hours(1);
constexpr absl::Duration kForgotten = absl::Hours(24);
constexpr size_t kMostInstances = 10000;

}  // namespace

std::string FipsReport::DifferenceFrom(bool installation_on,
                                       absl::Time now) const {
  if (silent) return installation_on ? "MODE_NOT_REPORTED" : "";
  if (state.on != installation_on) return "MODE_DIFFERS";
  // It asked before its tests, and then came no further.
  if (state.on && !state.self_tests_passed) return "SELF_TESTS_NOT_PASSED";
  return now - report_time > kOld ? "REPORT_OLD" : "";
}

void FipsReports::Note(FipsReport report) {
  std::pair<std::string, std::string> key{report.service, report.instance};
  // Bounded, as pods have new names for ever.
  if (reports_.size() >= kMostInstances && !reports_.contains(key)) {
    std::erase_if(reports_, [&](const auto& one) {
      return report.report_time - one.second.report_time > kForgotten;
    });
    if (reports_.size() >= kMostInstances) return;
  }
  reports_.insert_or_assign(std::move(key), std::move(report));
}

std::vector<FipsReport> FipsReports::All(
    const std::vector<std::pair<std::string, std::string>>& watchers,
    absl::Time now) const {
  std::map<std::pair<std::string, std::string>, FipsReport> all;
  for (const auto& [service, instance] : watchers) {
    all[{service, instance}] = {
        .service = service, .instance = instance, .silent = true};
  }
  for (const auto& [key, report] : reports_) {
    if (now - report.report_time <= kForgotten) all[key] = report;
  }
  std::vector<FipsReport> out;
  for (auto& [key, report] : all) out.push_back(std::move(report));
  return out;
}

}  // namespace sallyport::capf
