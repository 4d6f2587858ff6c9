#include "services/dialplan/rpc/resource_merge.h"

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/field_mask_util.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/core/plan_fault.h"
#include "services/dialplan/rpc/resource_codec.h"
#include "services/dialplan/rpc/resource_kind.h"
#include "services/dialplan/rpc/resource_shape.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldMask;
using google::protobuf::Message;
using google::protobuf::util::FieldMaskUtil;

constexpr const char* kOutputFields[] = {
    "name", "etag", "create_time", "update_time", "has_credentials", "active"};

bool IsAll(const FieldMask& mask) {
  return mask.paths_size() == 1 && mask.paths(0) == "*";
}

// `from` written over `to` as the mask says.
void Merge(const Message& from, const FieldMask& mask, Message& to) {
  if (IsAll(mask)) {
    to.CopyFrom(from);
    return;
  }
  FieldMask paths;
  if (mask.paths().empty()) {
    std::vector<const FieldDescriptor*> set;
    from.GetReflection()->ListFields(from, &set);
    for (const FieldDescriptor* field : set) {
      if (!IsOutputField(field->name())) paths.add_paths(field->name());
    }
  } else {
    for (const std::string& path : mask.paths()) {
      if (!IsOutputField(path)) paths.add_paths(path);
    }
  }
  FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  FieldMaskUtil::MergeMessageTo(from, paths, options, &to);
}

// Says what a few fields mean by being left out, where an operator reads them
// to know what holds: the mode of a dial plan above all (UM-78, UM-94).
void SpellOut(pb::Resource& resource) {
  if (resource.has_dial_plan()) {
    pb::DialPlan& plan = *resource.mutable_dial_plan();
    if (plan.security_mode() == type::SECURITY_MODE_UNSPECIFIED) {
      plan.set_security_mode(type::SECURITY_MODE_UNSECURED);
    }
    if (plan.uri_type() == pb::URI_TYPE_UNSPECIFIED) {
      plan.set_uri_type(pb::URI_TYPE_TEL_EXTN);
    }
  } else if (resource.has_peer()) {
    pb::Peer& peer = *resource.mutable_peer();
    if (peer.status() == pb::PEER_STATUS_UNSPECIFIED) {
      peer.set_status(pb::PEER_STATUS_ENABLED);
    }
  } else if (resource.has_user()) {
    pb::User& user = *resource.mutable_user();
    if (user.digest_algorithm() == type::DIGEST_ALGORITHM_UNSPECIFIED) {
      user.set_digest_algorithm(type::DIGEST_ALGORITHM_SHA_256);
    }
  }
}

// What of a TLS context is in force after a write (IMP-42): at once what is
// configured, or once its restart mark changes.
void Activate(const pb::TlsContext* before, pb::TlsContext& context) {
  if (before != nullptr &&
      context.effect() == pb::TLS_CONTEXT_EFFECT_ON_RESTART &&
      before->restart_mark() == context.restart_mark()) {
    *context.mutable_active() = before->active();
    return;
  }
  *context.mutable_active() = context.configured();
}

// The hashes of a user, from what was written or from what there was.
Ha1Hashes HashesOf(pb::User& user, const PlanRecord* current) {
  Ha1Hashes out;
  if (!user.password().empty()) {
    const std::string& realm =
        user.realm().empty() ? user.domain() : user.realm();
    std::string text =
        absl::StrCat(user.username(), ":", realm, ":", user.password());
    out.md5 = HexEncode(Md5(AsBytes(text)));
    out.sha256 = HexEncode(Sha256(AsBytes(text)));
    Cleanse(text);
    Cleanse(*user.mutable_password());
  } else if (!user.ha1().empty()) {
    if (user.digest_algorithm() == type::DIGEST_ALGORITHM_MD5) {
      out.md5 = user.ha1();
    } else {
      out.sha256 = user.ha1();
    }
  } else if (current != nullptr) {
    const auto& old = std::get<UserEntry>(current->entry);
    out = {old.ha1_md5, old.ha1_sha256};
  }
  return out;
}

}  // namespace

bool IsOutputField(const std::string& path) {
  for (const char* field : kOutputFields) {
    if (path == field) return true;
  }
  return false;
}

absl::Status CheckMask(const pb::Resource& resource, const FieldMask& mask) {
  if (IsAll(mask)) return absl::OkStatus();
  const Message& inner = InnerOf(resource);
  std::vector<FieldViolation> violations;
  for (int i = 0; i < mask.paths_size(); ++i) {
    if (!FieldMaskUtil::GetFieldDescriptors(inner.GetDescriptor(),
                                            mask.paths(i), nullptr)) {
      violations.push_back({absl::StrCat("update_mask.paths[", i, "]"),
                            "it is no field of this resource"});
    }
  }
  if (violations.empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, "UPDATE_MASK_INVALID",
                   "update_mask names fields that are not there", violations);
}

absl::StatusOr<PlanRecord> MergedRecord(const pb::Resource& written,
                                        const std::string& name,
                                        const FieldMask& mask,
                                        const PlanRecord* current,
                                        const TenantEntry* tenant) {
  pb::Resource merged;
  pb::Resource before;
  if (current == nullptr) {
    merged = written;
  } else {
    merged.ParseFromString(current->body);
    if (merged.has_tls_context()) before = merged;
    if (merged.kind_case() != written.kind_case()) {
      return absl::InternalError("a resource of another kind has this name");
    }
    Merge(InnerOf(written), mask, MutableInnerOf(merged));
  }
  SetString(MutableInnerOf(merged), "name", name);
  if (merged.has_user()) {
    pb::User& user = *merged.mutable_user();
    // It must not move when the tenant gets another first domain: the hash
    // holds it.
    if (user.domain().empty() && tenant != nullptr &&
        !tenant->domains.empty()) {
      user.set_domain(tenant->domains[0]);
    }
    user.set_domain(absl::AsciiStrToLower(user.domain()));
  }
  if (merged.has_tls_context()) {
    Activate(before.has_tls_context() ? &before.tls_context() : nullptr,
             *merged.mutable_tls_context());
  }
  SpellOut(merged);
  PlanFaults faults = CheckShape(merged);
  Ha1Hashes hashes;
  if (merged.has_user()) hashes = HashesOf(*merged.mutable_user(), current);
  PlanRecord out = RecordOf(std::move(merged), hashes);
  if (!faults.empty()) {
    out.shape_faults = std::make_shared<const PlanFaults>(std::move(faults));
  }
  return out;
}

}  // namespace sallyport::dialplan
