#include "services/dialplan/core/plan_editor.h"

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/hex.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/core/plan_checker.h"
#include "services/dialplan/core/plan_fault.h"

namespace sallyport::dialplan {
namespace {

using Verb = PlanEdit::Verb;

EditAnswer AnswerOf(const PlanRecord& record) {
  return {record.body, record.etag, record.create_time, record.update_time};
}

absl::Status NotFound(const std::string& name) {
  return MakeError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                   absl::StrCat(name, " does not exist"));
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

absl::StatusOr<EditAnswer> PlanEditor::Apply(const PlanEdit& edit,
                                             absl::Time now) {
  Forget(now);
  if (!edit.request_key.empty()) {
    const auto it = requests_.find(edit.request_key);
    if (it != requests_.end()) {
      if (it->second.hash == edit.request_hash) return it->second.answer;
      return MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED",
                       "the request_id was used for another request");
    }
  }
  const RecordPtr current = plan_.Find(edit.name);
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
  SP_ASSIGN_OR_RETURN(EditAnswer answer, edit.verb == Verb::kDelete
                                             ? Delete(edit, current)
                                             : Write(edit, current, now));
  if (!edit.validate_only) Remember(edit, answer, now);
  return answer;
}

absl::StatusOr<EditAnswer> PlanEditor::Delete(const PlanEdit& edit,
                                              const RecordPtr& current) {
  if (current == nullptr) return EditAnswer();
  SP_RETURN_IF_ERROR(CheckRemovable(plan_, edit.name));
  if (edit.validate_only) return EditAnswer();
  plan_.Remove(edit.name);
  --counts_[current->entry.index()];
  pending_.changes.push_back({++version_, edit.name, current, nullptr});
  return EditAnswer();
}

absl::StatusOr<EditAnswer> PlanEditor::Write(const PlanEdit& edit,
                                             const RecordPtr& current,
                                             absl::Time now) {
  SP_ASSIGN_OR_RETURN(PlanRecord made, edit.make(current.get()));
  // Writing what is there changes no version and wakes no consumer.
  if (current != nullptr && made.entry == current->entry &&
      made.references == current->references && made.body == current->body) {
    return AnswerOf(*current);
  }
  if (current == nullptr) SP_RETURN_IF_ERROR(CheckLimit(made.entry));
  made.etag = NewEtag();
  made.create_time = current == nullptr ? now : current->create_time;
  made.update_time = now;
  auto record = std::make_shared<const PlanRecord>(std::move(made));
  plan_.Put(record);
  const PlanFaults faults = CheckWritten(plan_, edit.name, current.get());
  if (!faults.empty() || edit.validate_only) {
    plan_.Restore(edit.name, current);
    SP_RETURN_IF_ERROR(ToStatus(faults));
    // Nothing was stored, so there is nothing that an etag could name.
    EditAnswer answer = AnswerOf(*record);
    answer.etag.clear();
    return answer;
  }
  if (current == nullptr) ++counts_[record->entry.index()];
  EditAnswer answer = AnswerOf(*record);
  pending_.changes.push_back(
      {++version_, edit.name, current, std::move(record)});
  return answer;
}

absl::Status PlanEditor::CheckLimit(const PlanEntry& entry) const {
  size_t limit = SIZE_MAX;
  if (std::holds_alternative<TenantEntry>(entry)) {
    limit = options_.limits.tenants;
  } else if (std::holds_alternative<PeerEntry>(entry)) {
    limit = options_.limits.peers;
  } else if (std::holds_alternative<RoutePatternEntry>(entry)) {
    limit = options_.limits.patterns;
  } else if (std::holds_alternative<UserEntry>(entry)) {
    limit = options_.limits.users;
  }
  if (counts_[entry.index()] < limit) return absl::OkStatus();
  return MakeError(absl::StatusCode::kResourceExhausted, "LIMIT_REACHED",
                   absl::StrCat("the installation holds ", limit,
                                " of this kind, its limit"));
}

void PlanEditor::Remember(const PlanEdit& edit, const EditAnswer& answer,
                          absl::Time now) {
  if (edit.request_key.empty()) return;
  RememberedRequest request{edit.request_key, edit.request_hash, answer,
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
    plan_.Restore(it->name, it->before);
    if (it->before == nullptr) --counts_[it->after->entry.index()];
    if (it->after == nullptr) ++counts_[it->before->entry.index()];
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
