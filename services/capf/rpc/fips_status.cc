#include "services/capf/rpc/fips_status.h"

#include <string_view>
#include <utility>
#include <vector>

#include "services/capf/io/fips_keys.h"
#include "services/common/config/proto_time.h"
#include "services/common/fips/fips_rules.h"
#include "services/common/fips/fips_self_test.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

absl::StatusOr<pb::FipsStatus> FipsStatusOf(const std::string& instance,
                                            const FipsMode& mode,
                                            const FipsReports& reports,
                                            const TrustPublisher& publisher,
                                            EnrollmentStore& store,
                                            absl::Time now) {
  pb::FipsStatus out;
  out.set_enabled(mode.on);
  out.set_self_tests_passed(mode.self_tests_passed);
  out.set_disclaimer(std::string(FipsDisclaimer()));
  out.set_module(ModuleName());
  out.set_program_sha256(mode.program_sha256);
  for (const FipsRules& rules : AllFipsRules()) {
    pb::FipsRules& one = *out.add_rules();
    one.set_service(std::string(rules.service));
    for (const std::string_view each : rules.not_allowed) {
      one.add_not_allowed(std::string(each));
    }
    for (const std::string_view each : rules.not_claimed) {
      one.add_not_claimed(std::string(each));
    }
  }
  SP_ASSIGN_OR_RETURN(const absl::Time since, FipsModeSince(store));
  const bool installation_on = since != absl::InfiniteFuture();
  std::vector<std::pair<std::string, std::string>> watchers;
  for (const TrustConsumer& one : publisher.consumers()) {
    watchers.emplace_back(one.identity.substr(one.identity.rfind('/') + 1),
                          one.consumer);
  }
  FipsReports all = reports;
  FipsReport own;
  own.service = "capf";
  own.instance = instance;
  own.state = mode;
  own.module = out.module();
  own.report_time = now;
  all.Note(std::move(own));
  for (const FipsReport& report : all.All(watchers, now)) {
    pb::FipsInstance& one = *out.add_instances();
    one.set_service(report.service);
    one.set_instance(report.instance);
    one.set_reports(!report.silent);
    one.set_enabled(report.state.on);
    one.set_self_tests_passed(report.state.self_tests_passed);
    one.set_module(report.module);
    one.set_program_sha256(report.state.program_sha256);
    if (!report.silent) {
      *one.mutable_report_time() = ::sallyport::ToProto(report.report_time);
    }
    one.set_difference(report.DifferenceFrom(installation_on, now));
  }
  if (!mode.on || !installation_on) return out;
  *out.mutable_since_time() = ::sallyport::ToProto(since);
  SP_ASSIGN_OR_RETURN(const std::vector<KeyOfBefore> keys, KeysOfBefore(store));
  for (const KeyOfBefore& key : keys) out.add_keys_of_before(key.name);
  return out;
}

}  // namespace sallyport::capf
