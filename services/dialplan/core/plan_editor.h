// Writes to the plan: who wins, what is refused, what must be stored.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_EDITOR_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_EDITOR_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/dialplan/core/plan.h"
#include "services/dialplan/core/plan_fault.h"
#include "services/dialplan/core/rule_effort.h"

namespace sallyport::dialplan {

// Who asked for a write, and how: for the audit log.
struct ChangeCause {
  std::string actor;   // verified identity
  std::string method;  // "UpdatePeer"
  std::string request_id;

  bool operator==(const ChangeCause&) const = default;
};
using CausePtr = std::shared_ptr<const ChangeCause>;

// One write as it was asked for.
struct PlanEdit {
  enum class Verb { kCreate, kUpdate, kDelete };
  Verb verb = Verb::kCreate;
  std::string name;
  std::string etag;            // what the stored one must be; empty: any
  bool allow_missing = false;  // update creates, delete succeeds
  bool validate_only = false;
  // Identifies the caller's request; empty: it is not to be remembered.
  std::string request_key;
  std::string request_hash;  // of its contents
  CausePtr cause;            // null: this service itself
  // The new resource, from the stored one (null: there is none) and the plan in
  // which it is to be; its etag and times are given by the editor. Not called
  // for deletes.
  std::function<absl::StatusOr<PlanRecord>(const Plan& plan,
                                           const PlanRecord* current)>
      make;
};

// Writes that hold together or not at all. The rules are checked on what all
// of them make together, so their order does not matter, and neither do
// circles of references among them.
struct PlanBatch {
  // Without request_key and validate_only of their own. No two of one name.
  std::vector<PlanEdit> edits;
  bool validate_only = false;
  // What became of each, and what is most likely not meant, is asked for.
  bool wants_results = false;
  std::string request_key;  // as in PlanEdit
  std::string request_hash;
};

// What is wrong with one write of a batch.
struct BatchFault {
  size_t edit = 0;  // its place in PlanBatch::edits
  PlanFault fault;

  bool operator==(const BatchFault&) const = default;
};

// What became of one write of a batch.
struct EditResult {
  enum class Outcome : char {
    kCreated = 'c',
    kUpdated = 'u',
    kUnchanged = '=',
    kDeleted = 'd',
  };
  Outcome outcome = Outcome::kUnchanged;
  std::string etag;  // empty after a delete, and where nothing was stored

  bool operator==(const EditResult&) const = default;
};

// The answer to a batch.
struct BatchAnswer {
  size_t created = 0;
  size_t updated = 0;
  size_t unchanged = 0;
  size_t deleted = 0;
  std::vector<BatchFault> faults;  // by edit; any: nothing has changed
  int64_t version = 0;             // which has all of them; 0: not stored
  // If they are asked for: of each edit, and of what they touch. A repeated
  // request gets no findings.
  std::vector<EditResult> results;
  std::vector<NamedFault> findings;

  bool operator==(const BatchAnswer&) const = default;
};

// The answer to a write; empty for a delete.
struct EditAnswer {
  std::string body;
  std::string etag;
  absl::Time create_time = absl::UnixEpoch();
  absl::Time update_time = absl::UnixEpoch();

  bool operator==(const EditAnswer&) const = default;
};

// A request whose repeat gets the same answer.
struct RememberedRequest {
  std::string key;
  std::string hash;
  EditAnswer answer;
  absl::Time expire_time;
};

// One change of state.
struct PlanChange {
  int64_t version = 0;
  std::string name;
  RecordPtr before;  // null: created
  RecordPtr after;   // null: deleted
  CausePtr cause = nullptr;
};

// What a store has to make durable, all or nothing.
struct PlanChanges {
  std::vector<PlanChange> changes;  // by version
  std::vector<RememberedRequest> requests;
  std::vector<std::string> forgotten_requests;  // their keys

  bool empty() const {
    return changes.empty() && requests.empty() && forgotten_requests.empty();
  }
};

// Most resources of a kind, over all tenants: patterns are route and
// translation patterns together, users bound phones and lines as well, and
// what is not named here may be as many as the patterns.
struct PlanLimits {
  size_t tenants = 1000;
  size_t peers = 10000;
  size_t patterns = 100000;
  size_t users = 1000000;
};

// Applies writes one after the other to a plan of its own. What was applied is
// pending until the caller has stored it and says Commit(), or Rollback() if
// that failed. Several writes may be pending at once, so that they can share
// one sync of the disk. Thread-compatible.
class PlanEditor {
 public:
  struct Options {
    PlanLimits limits;
    bool approved_only = false;  // FIPS mode: see Plan::set_approved_only()
    absl::Duration request_retention = absl::Hours(24);
  };

  // `random` makes etags and must outlive this object.
  PlanEditor(RandomSource& random, const Options& options)
      : random_(random), options_(options) {
    plan_.set_approved_only(options.approved_only);
  }

  // What a store held; before anything else, in any order.
  void Load(RecordPtr record);
  void Load(RememberedRequest request);
  void LoadVersion(int64_t version) { version_ = committed_ = version; }

  // What another replica has stored after the version that is known here, by
  // version; `before` is not looked at. Nothing may be pending.
  void Adopt(const std::vector<PlanChange>& changes);
  // The same if it is not known what has changed: the plan is emptied, to be
  // loaded anew.
  void Clear();

  // What the rules go by from now on (UM-03, UM-89).
  void SetEdgeSurvey(EdgeSurvey survey) {
    plan_.set_edge_survey(std::move(survey));
  }

  // Checks and applies a write. The answer holds once it is committed. Errors
  // change nothing: NOT_FOUND (RESOURCE_NOT_FOUND), ALREADY_EXISTS
  // (RESOURCE_EXISTS), ABORTED (ETAG_MISMATCH), FAILED_PRECONDITION
  // (RESOURCE_IN_USE), RESOURCE_EXHAUSTED (LIMIT_REACHED), INVALID_ARGUMENT
  // (REQUEST_ID_REUSED, or as the checker says).
  absl::StatusOr<EditAnswer> Apply(const PlanEdit& edit, absl::Time now);

  // The same of a batch. What is wrong with its writes is in the answer, every
  // fault of every write; the reasons are those of Apply, and CHANGE_REPEATED
  // of a second write of one name. Errors: REQUEST_ID_REUSED alone.
  absl::StatusOr<BatchAnswer> Apply(const PlanBatch& batch, absl::Time now);

  const PlanChanges& pending() const { return pending_; }
  void Commit();
  void Rollback();

  // What was loaded beyond the limits, which bind what is added: "12 peers, of
  // which 10 are allowed".
  std::vector<std::string> OverLimits() const;

  const Plan& plan() const { return plan_; }
  // After the last change, pending ones included.
  int64_t version() const { return version_; }

 private:
  absl::Status CheckLimit(const PlanEntry& entry) const;
  // Null if the request is new; REQUEST_ID_REUSED if it was another one's.
  absl::StatusOr<const EditAnswer*> Recall(const std::string& key,
                                           const std::string& hash) const;
  void Remember(const std::string& key, const std::string& hash,
                const EditAnswer& answer, absl::Time now);
  // Puts what an edit makes into the plan, unchecked. Its version is not yet
  // set; before and after are the same if there is nothing to change.
  absl::StatusOr<PlanChange> Stage(const PlanEdit& edit, absl::Time now);
  // The rules for what was staged.
  absl::Status CheckStaged(const PlanChange& change, RuleEffort* effort) const;
  void Unstage(const PlanChange& change);
  // What was staged is now to be stored.
  void Accept(PlanChange change);
  void Forget(absl::Time now);
  std::string NewEtag();

  RandomSource& random_;
  Options options_;
  Plan plan_;
  int64_t version_ = 0;
  int64_t committed_ = 0;
  PlanChanges pending_;
  // How many there are of each kind, by the index in PlanEntry.
  std::array<size_t, std::variant_size_v<PlanEntry>> counts_{};
  std::map<std::string, RememberedRequest> requests_;
  // Keys by the time they are forgotten. A few may be stale after a rollback.
  std::multimap<absl::Time, std::string> expiries_;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_EDITOR_H_
