#include "services/dialplan/core/plan_editor.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/bytes/hex.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/core/entry_pattern.h"
#include "services/dialplan/core/plan_checker.h"
#include "services/dialplan/core/plan_fault.h"
#include "services/dialplan/core/plan_findings.h"
#include "services/dialplan/core/rule_effort.h"

namespace sallyport::dialplan {
namespace {

using Verb = PlanEdit::Verb;

// Resources that findings are looked for at, after one batch.
constexpr size_t kMaxFindingNames = 2000;

EditAnswer AnswerOf(const PlanRecord& record) {
  return {record.body, record.etag, record.create_time, record.update_time};
}

absl::Status NotFound(const std::string& name) {
  return MakeError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                   absl::StrCat(name, " does not exist"));
}

// In which order the writes of a batch are put in: what is made of others may
// take something from its tenant.
std::vector<size_t> TenantsFirst(const std::vector<PlanEdit>& edits) {
  std::vector<size_t> out;
  for (const bool tenants : {true, false}) {
    for (size_t i = 0; i < edits.size(); ++i) {
      if ((TenantOf(edits[i].name) == edits[i].name) == tenants) {
        out.push_back(i);
      }
    }
  }
  return out;
}

EditResult Count(const PlanChange& change, BatchAnswer& answer) {
  using Outcome = EditResult::Outcome;
  const std::string etag = change.after == nullptr ? "" : change.after->etag;
  if (change.before == change.after) {
    ++answer.unchanged;
    // What was not there need not be deleted.
    return {change.after == nullptr ? Outcome::kDeleted : Outcome::kUnchanged,
            etag};
  }
  if (change.before == nullptr) {
    ++answer.created;
    return {Outcome::kCreated, etag};
  }
  if (change.after == nullptr) {
    ++answer.deleted;
    return {Outcome::kDeleted, ""};
  }
  ++answer.updated;
  return {Outcome::kUpdated, etag};
}

void AddFaults(size_t edit, const absl::Status& status,
               std::vector<BatchFault>& faults) {
  for (PlanFault& fault : FaultsOf(status)) {
    faults.push_back({edit, std::move(fault)});
  }
}

// A batch's answer as it is remembered, and back: "2 1 0 0 17 cETAG uETAG =ETAG
// d".
std::string TextOf(const BatchAnswer& answer) {
  std::string out =
      absl::StrCat(answer.created, " ", answer.updated, " ", answer.unchanged,
                   " ", answer.deleted, " ", answer.version);
  for (const EditResult& result : answer.results) {
    out += ' ';
    out += static_cast<char>(result.outcome);
    out += result.etag;
  }
  return out;
}

BatchAnswer AnswerFrom(const std::string& text) {
  BatchAnswer out;
  const std::vector<std::string> parts = absl::StrSplit(text, ' ');
  size_t* const counts[] = {&out.created, &out.updated, &out.unchanged,
                            &out.deleted};
  size_t i = 0;
  for (; i < parts.size() && i < std::size(counts); ++i) {
    if (!absl::SimpleAtoi(parts[i], counts[i])) *counts[i] = 0;
  }
  // Older releases have remembered the counts alone.
  if (i < parts.size() && !absl::SimpleAtoi(parts[i++], &out.version)) {
    out.version = 0;
  }
  for (; i < parts.size(); ++i) {
    if (parts[i].empty()) continue;
    out.results.push_back(
        {static_cast<EditResult::Outcome>(parts[i][0]), parts[i].substr(1)});
  }
  return out;
}

}  // namespace

void PlanEditor::Load(RecordPtr record) {
  ++counts_[record->entry.index()];
  plan_.Put(std::move(record));
}

void PlanEditor::Load(RememberedRequest request) {
  expiries_.emplace(request.expire_time, request.key);
  std::string key = request.key;
  requests_[std::move(key)] = std::move(request);
}

void PlanEditor::Adopt(const std::vector<PlanChange>& changes) {
  for (const PlanChange& change : changes) {
    const RecordPtr before = change.after == nullptr ? plan_.Remove(change.name)
                                                     : plan_.Put(change.after);
    if (before != nullptr) --counts_[before->entry.index()];
    if (change.after != nullptr) ++counts_[change.after->entry.index()];
    version_ = committed_ = change.version;
  }
}

void PlanEditor::Clear() {
  plan_ = Plan();
  plan_.set_approved_only(options_.approved_only);
  counts_ = {};
  LoadVersion(0);
}

absl::StatusOr<EditAnswer> PlanEditor::Apply(const PlanEdit& edit,
                                             absl::Time now) {
  Forget(now);
  SP_ASSIGN_OR_RETURN(const EditAnswer* const known,
                      Recall(edit.request_key, edit.request_hash));
  if (known != nullptr) return *known;
  SP_ASSIGN_OR_RETURN(PlanChange change, Stage(edit, now));
  EditAnswer answer =
      change.after == nullptr ? EditAnswer() : AnswerOf(*change.after);
  if (change.before != change.after) {
    const absl::Status good = CheckStaged(change, nullptr);
    if (!good.ok() || edit.validate_only) {
      Unstage(change);
      SP_RETURN_IF_ERROR(good);
      // Nothing was stored, so there is nothing that an etag could name.
      answer.etag.clear();
      return answer;
    }
    Accept(std::move(change));
  }
  if (!edit.validate_only) {
    Remember(edit.request_key, edit.request_hash, answer, now);
  }
  return answer;
}

absl::StatusOr<BatchAnswer> PlanEditor::Apply(const PlanBatch& batch,
                                              absl::Time now) {
  Forget(now);
  SP_ASSIGN_OR_RETURN(const EditAnswer* const known,
                      Recall(batch.request_key, batch.request_hash));
  if (known != nullptr) return AnswerFrom(known->body);

  BatchAnswer answer;
  if (batch.wants_results) answer.results.resize(batch.edits.size());
  std::vector<std::pair<size_t, PlanChange>> staged;
  std::set<std::string_view> names;
  for (const size_t i : TenantsFirst(batch.edits)) {
    const PlanEdit& edit = batch.edits[i];
    if (!names.insert(edit.name).second) {
      answer.faults.push_back(
          {i, {"name", "CHANGE_REPEATED", edit.name + " is written twice"}});
      continue;
    }
    absl::StatusOr<PlanChange> change = Stage(edit, now);
    if (!change.ok()) {
      AddFaults(i, change.status(), answer.faults);
      continue;
    }
    EditResult result = Count(*change, answer);
    if (batch.wants_results) answer.results[i] = std::move(result);
    if (change->before != change->after) {
      staged.emplace_back(i, *std::move(change));
    }
  }
  RuleEffort effort;
  for (const auto& [i, change] : staged) {
    if (change.after != nullptr &&
        !TakesTheSame(
            change.before == nullptr ? nullptr : &change.before->entry,
            change.after->entry)) {
      effort.together.insert(change.name);
    }
  }
  for (const auto& [i, change] : staged) {
    AddFaults(i, CheckStaged(change, &effort), answer.faults);
  }
  if (answer.faults.empty() && batch.wants_results) {
    std::vector<PlanDifference> differences;
    for (const auto& [i, change] : staged) {
      differences.push_back({change.before, change.after});
    }
    answer.findings = std::move(effort.unchecked);
    effort.unchecked.clear();
    for (const std::string& name :
         TouchedBy(plan_, differences, kMaxFindingNames)) {
      for (NamedFault& found : FindingsOf(plan_, *plan_.Find(name), effort)) {
        answer.findings.push_back(std::move(found));
      }
    }
  }
  if (!answer.faults.empty() || batch.validate_only) {
    // Nothing was stored, so there is nothing that an etag could name.
    for (EditResult& result : answer.results) {
      if (result.outcome != EditResult::Outcome::kUnchanged) {
        result.etag.clear();
      }
    }
    for (auto it = staged.rbegin(); it != staged.rend(); ++it) {
      Unstage(it->second);
    }
    std::stable_sort(
        answer.faults.begin(), answer.faults.end(),
        [](const auto& a, const auto& b) { return a.edit < b.edit; });
    return answer;
  }
  for (auto& [i, change] : staged) Accept(std::move(change));
  answer.version = version_;
  EditAnswer remembered;
  remembered.body = TextOf(answer);
  Remember(batch.request_key, batch.request_hash, remembered, now);
  return answer;
}

absl::StatusOr<PlanChange> PlanEditor::Stage(const PlanEdit& edit,
                                             absl::Time now) {
  RecordPtr current = plan_.Find(edit.name);
  if (edit.verb == Verb::kCreate && current != nullptr) {
    return MakeError(absl::StatusCode::kAlreadyExists, "RESOURCE_EXISTS",
                     absl::StrCat(edit.name, " exists"));
  }
  if (edit.verb != Verb::kCreate && current == nullptr && !edit.allow_missing) {
    return NotFound(edit.name);
  }
  if (!edit.etag.empty() &&
      (current == nullptr || current->etag != edit.etag)) {
    return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                     "it has been changed since: read it again");
  }
  PlanChange change;
  change.name = edit.name;
  change.before = current;
  change.cause = edit.cause;
  if (edit.verb == Verb::kDelete) {
    if (current == nullptr) return change;
    plan_.Remove(edit.name);
    --counts_[current->entry.index()];
    return change;
  }
  SP_ASSIGN_OR_RETURN(PlanRecord made, edit.make(plan_, current.get()));
  // Writing what is there changes no version and wakes no consumer.
  if (current != nullptr && made.entry == current->entry &&
      made.references == current->references && made.body == current->body) {
    change.after = std::move(current);
    return change;
  }
  if (current == nullptr) SP_RETURN_IF_ERROR(CheckLimit(made.entry));
  made.etag = NewEtag();
  made.create_time = current == nullptr ? now : current->create_time;
  made.update_time = now;
  change.after = std::make_shared<const PlanRecord>(std::move(made));
  plan_.Put(change.after);
  if (current == nullptr) ++counts_[change.after->entry.index()];
  return change;
}

absl::Status PlanEditor::CheckStaged(const PlanChange& change,
                                     RuleEffort* effort) const {
  if (change.after == nullptr) {
    return CheckRemoved(plan_, *change.before, effort);
  }
  return ToStatus(
      CheckWritten(plan_, change.name, change.before.get(), effort));
}

void PlanEditor::Unstage(const PlanChange& change) {
  plan_.Restore(change.name, change.before);
  if (change.before == nullptr) --counts_[change.after->entry.index()];
  if (change.after == nullptr) ++counts_[change.before->entry.index()];
}

void PlanEditor::Accept(PlanChange change) {
  change.version = ++version_;
  pending_.changes.push_back(std::move(change));
}

absl::Status PlanEditor::CheckLimit(const PlanEntry& entry) const {
  const PlanLimits& limits = options_.limits;
  constexpr size_t kRoute = 7, kTranslation = 12;
  static_assert(std::is_same_v<std::variant_alternative_t<kRoute, PlanEntry>,
                               RoutePatternEntry>);
  static_assert(
      std::is_same_v<std::variant_alternative_t<kTranslation, PlanEntry>,
                     TranslationPatternEntry>);
  size_t have = counts_[entry.index()];
  size_t limit = limits.patterns;  // of kinds that have none of their own
  if (std::holds_alternative<TenantEntry>(entry)) {
    limit = limits.tenants;
  } else if (std::holds_alternative<PeerEntry>(entry)) {
    limit = limits.peers;
  } else if (entry.index() == kRoute || entry.index() == kTranslation) {
    have = counts_[kRoute] + counts_[kTranslation];
  } else if (std::holds_alternative<UserEntry>(entry) ||
             std::holds_alternative<PhoneEntry>(entry) ||
             std::holds_alternative<LineEntry>(entry)) {
    limit = limits.users;
  }
  if (have >= limit) {
    return MakeError(absl::StatusCode::kResourceExhausted, "LIMIT_REACHED",
                     absl::StrCat("the installation holds ", have,
                                  " of this kind, its limit"));
  }
  return absl::OkStatus();
}

std::vector<std::string> PlanEditor::OverLimits() const {
  std::vector<std::string> out;
  const auto check = [&](size_t have, size_t limit, const char* what) {
    if (have > limit) {
      out.push_back(
          absl::StrCat(have, " ", what, ", of which ", limit, " are allowed"));
    }
  };
  const auto count = [this](const PlanEntry& entry) {
    return counts_[entry.index()];
  };
  const PlanLimits& limits = options_.limits;
  check(count(TenantEntry()), limits.tenants, "tenants");
  check(count(PeerEntry()), limits.peers, "peers");
  check(count(RoutePatternEntry()) + count(TranslationPatternEntry()),
        limits.patterns, "patterns");
  check(count(UserEntry()), limits.users, "users");
  check(count(PhoneEntry()), limits.users, "phones");
  check(count(LineEntry()), limits.users, "lines");
  return out;
}

absl::StatusOr<const EditAnswer*> PlanEditor::Recall(
    const std::string& key, const std::string& hash) const {
  if (key.empty()) return nullptr;
  const auto it = requests_.find(key);
  if (it == requests_.end()) return nullptr;
  if (it->second.hash == hash) return &it->second.answer;
  return MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED",
                   "the request_id was used for another request");
}

void PlanEditor::Remember(const std::string& key, const std::string& hash,
                          const EditAnswer& answer, absl::Time now) {
  if (key.empty()) return;
  RememberedRequest request{key, hash, answer,
                            now + options_.request_retention};
  pending_.requests.push_back(request);
  Load(std::move(request));
}

void PlanEditor::Forget(absl::Time now) {
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    const std::string key = expiries_.begin()->second;
    expiries_.erase(expiries_.begin());
    const auto it = requests_.find(key);
    if (it == requests_.end() || it->second.expire_time > now) continue;
    requests_.erase(it);
    pending_.forgotten_requests.push_back(key);
  }
}

std::string PlanEditor::NewEtag() {
  std::array<uint8_t, 8> bytes;
  random_.Fill(absl::MakeSpan(bytes));
  return HexEncode(bytes);
}

void PlanEditor::Commit() {
  pending_ = PlanChanges();
  committed_ = version_;
}

void PlanEditor::Rollback() {
  for (auto it = pending_.changes.rbegin(); it != pending_.changes.rend();
       ++it) {
    Unstage(*it);
  }
  for (const RememberedRequest& request : pending_.requests) {
    requests_.erase(request.key);
  }
  // Forgotten requests stay forgotten; the store drops them another time.
  std::vector<std::string> forgotten = std::move(pending_.forgotten_requests);
  pending_ = PlanChanges();
  pending_.forgotten_requests = std::move(forgotten);
  version_ = committed_;
}

}  // namespace sallyport::dialplan
