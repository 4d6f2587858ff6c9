#include "services/dialplan/rpc/write_request.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/hmac.h"
#include "services/common/status/error_reason.h"
#include "services/dialplan/rpc/resource_shape.h"

namespace sallyport::dialplan {
namespace {

using google::protobuf::Message;

constexpr size_t kMaxRequestId = 64;

}  // namespace

absl::Status BadField(std::string_view field, std::string_view reason,
                      std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason,
                   std::string(field) + ": " + std::string(what),
                   {{std::string(field), std::string(what)}});
}

absl::Status CheckParent(std::string_view parent) {
  if (parent.rfind("tenants/", 0) == 0 &&
      IsResourceId(parent.substr(std::string_view("tenants/").size()))) {
    return absl::OkStatus();
  }
  return BadField("parent", "NAME_INVALID", "must be tenants/{tenant}");
}

absl::Status CheckRequestId(const Message& request) {
  const std::string id = GetString(request, "request_id");
  if (id.size() > kMaxRequestId ||
      std::any_of(id.begin(), id.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x21 ||
               static_cast<unsigned char>(c) > 0x7e;
      })) {
    return BadField("request_id", "REQUEST_ID_INVALID",
                    "must be at most 64 visible ASCII characters");
  }
  return absl::OkStatus();
}

const ResourceKind* KindIn(const std::string& tenant, const std::string& name) {
  for (const ResourceKind& kind : ResourceKinds()) {
    if (kind.singular == "tenant") {
      if (name == tenant) return &kind;
      continue;
    }
    const std::string prefix = kind.Prefix(tenant);
    if (name.rfind(prefix, 0) == 0 &&
        IsResourceId(std::string_view(name).substr(prefix.size()))) {
      return &kind;
    }
  }
  return nullptr;
}

std::string MethodOf(const Message& request) {
  return std::string(
      absl::StripSuffix(request.GetDescriptor()->name(), "Request"));
}

WriteIdentity::WriteIdentity(std::string_view verb,
                             const CallerIdentity& caller,
                             const Message& request, const std::string& key)
    : validate_only(GetBool(request, "validate_only")) {
  const std::string id = GetString(request, "request_id");
  cause = std::make_shared<ChangeCause>(
      ChangeCause{caller.ToString(), MethodOf(request), id});
  if (id.empty()) return;
  request_key = absl::StrCat(caller.ToString(), "\n", AbslView(verb), " ",
                             request.GetTypeName(), "\n", id);
  const std::string bytes = request.SerializeAsString();
  request_hash = HexEncode(HmacSha256(AsBytes(key), AsBytes(bytes)));
}

void WriteIdentity::Fill(PlanEdit& edit) const {
  edit.validate_only = validate_only;
  edit.cause = cause;
  edit.request_key = request_key;
  edit.request_hash = request_hash;
}

void WriteIdentity::Fill(PlanBatch& batch) const {
  batch.validate_only = validate_only;
  for (PlanEdit& edit : batch.edits) edit.cause = cause;
  batch.request_key = request_key;
  batch.request_hash = request_hash;
}

}  // namespace sallyport::dialplan
