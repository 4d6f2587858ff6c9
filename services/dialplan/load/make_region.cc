// Writes a store that holds a region's plan, through the rules that a write by
// the API goes through, in large transactions.

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/synchronization/notification.h"
#include "services/common/random/system_random.h"
#include "services/common/sql/sql_database.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/dialplan/core/plan_editor.h"
#include "services/dialplan/io/plan_board.h"
#include "services/dialplan/io/plan_writer.h"
#include "services/dialplan/io/sql_plan_store.h"
#include "services/dialplan/load/region.h"
#include "services/dialplan/rpc/resource_codec.h"

ABSL_FLAG(std::string, store, "", "the SQLite file to make");
ABSL_FLAG(int, tenants, 1000, "tenants");
ABSL_FLAG(int, partitions, 1000, "partitions, over all tenants");
ABSL_FLAG(int, peers, 10000, "peers, over all tenants");
ABSL_FLAG(int, patterns, 100000, "route patterns, over all tenants");
ABSL_FLAG(int, users, 0, "users, over all tenants");

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

constexpr size_t kPerTransaction = 10'000;

absl::Status Make() {
  Region region;
  region.tenants = absl::GetFlag(FLAGS_tenants);
  region.partitions = absl::GetFlag(FLAGS_partitions);
  region.peers = absl::GetFlag(FLAGS_peers);
  region.patterns = absl::GetFlag(FLAGS_patterns);
  region.users = absl::GetFlag(FLAGS_users);
  SystemRandom random;
  SqliteOptions file;
  file.file = absl::GetFlag(FLAGS_store);
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<SqlDatabase> database,
                      SqlDatabase::Open(file));
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<SqlPlanStore> store,
                      SqlPlanStore::Open(*database, random));
  SP_RETURN_IF_ERROR(store->Load(1).status());
  PlanBoard board(1);
  PlanWriter writer(std::make_unique<PlanEditor>(random, PlanEditor::Options()),
                    *store, board, Clock::Real(), PlanWriter::Options());
  PlanBatch batch;
  const auto commit = [&] {
    absl::Status stored;
    absl::Notification done;
    writer.Submit(std::exchange(batch, {}),
                  [&](const absl::StatusOr<BatchAnswer>& answer) {
                    stored = answer.status();
                    if (answer.ok() && !answer->faults.empty()) {
                      stored = absl::InvalidArgumentError(
                          answer->faults[0].fault.description);
                    }
                    done.Notify();
                  });
    done.WaitForNotification();
    return stored;
  };
  SP_RETURN_IF_ERROR(ForEachResource(region, [&](const pb::Resource& resource) {
    PlanEdit edit;
    PlanRecord record = RecordOf(resource, {});
    edit.name = record.name();
    edit.make = [record = std::move(record)](const Plan&, const PlanRecord*)
        -> absl::StatusOr<PlanRecord> { return record; };
    batch.edits.push_back(std::move(edit));
    return batch.edits.size() < kPerTransaction ? absl::OkStatus() : commit();
  }));
  SP_RETURN_IF_ERROR(commit());
  std::printf("{\"resources\": %zu, \"version\": %lld}\n",
              board.records().size(),
              static_cast<long long>(board.head().version));
  return absl::OkStatus();
}

}  // namespace
}  // namespace sallyport::dialplan

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status made = sallyport::dialplan::Make();
  if (made.ok()) return 0;
  std::fprintf(stderr, "make_region: %s\n", made.ToString().c_str());
  return 1;
}
