#include "services/capf/rpc/event_methods.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/capf/core/certificate_kind.h"
#include "services/capf/rpc/list_page.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

pb::CertificateEvent ToProto(const CertificateEvent& event) {
  pb::CertificateEvent out;
  out.set_name(absl::StrCat("tenants/", event.tenant, "/certificateEvents/",
                            event.sequence));
  out.set_type(static_cast<pb::CertificateEventType>(event.type));
  *out.mutable_event_time() = ::sallyport::ToProto(event.event_time);
  if (!event.certificate_der.empty()) {
    *out.mutable_certificate() = Summarize(AsBytes(event.certificate_der));
  }
  out.set_used_by(event.used_by);
  out.set_summary(event.summary);
  out.set_sequence(event.sequence);
  out.set_event_id(event.event_id);
  return out;
}

absl::Status EventMethods::List(const pb::ListCertificateEventsRequest& request,
                                pb::ListCertificateEventsResponse& response) {
  SP_ASSIGN_OR_RETURN(
      const Page page,
      ReadPage(request.parent(), request.page_size(), request.page_token()));
  return FillPage<pb::CertificateEvent>(
      page, request.filter(),
      [this](
          const Page& part) -> absl::StatusOr<std::vector<CertificateEvent>> {
        int64_t before = INT64_MAX;
        if (!part.after.empty() && !absl::SimpleAtoi(part.after, &before)) {
          return MakeError(absl::StatusCode::kInvalidArgument, "PAGE_INVALID",
                           "page_token is not ours");
        }
        return ledger_.store().ListEvents(part.tenant, 0, before, part.limit);
      },
      [](const CertificateEvent& event) {
        return std::to_string(event.sequence);
      },
      [](const CertificateEvent& event) {
        return absl::StatusOr<pb::CertificateEvent>(ToProto(event));
      },
      response.mutable_certificate_events(),
      response.mutable_next_page_token());
}

absl::Status EventMethods::Explain(
    const pb::ExplainServerCertificateRequest& request,
    pb::ServerCertificateChoice& response) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.parent(), {"tenants"}));
  std::vector<ServiceCertificate> in_use = services_.InUse();
  std::erase_if(in_use, [&](const ServiceCertificate& one) {
    return one.service != request.service() || one.use == "grpc";
  });
  SP_ASSIGN_OR_RETURN(
      const ExplainedChoice choice,
      servers_.Choose(ids[0], request.service(), request.fqdn(), in_use));
  if (!choice.chosen_der.empty()) {
    *response.mutable_chosen() = Summarize(AsBytes(choice.chosen_der));
  }
  for (const ExplainedCandidate& one : choice.candidates) {
    pb::CertificateCandidate& out = *response.add_candidates();
    *out.mutable_certificate() = Summarize(AsBytes(one.der));
    out.set_chosen(one.chosen);
    out.set_kind(std::string(CertificateKindName(one.kind)));
    out.set_explanation(absl::StrCat(
        absl::string_view(one.verdict.data(), one.verdict.size()), ": ",
        absl::string_view(one.explanation.data(), one.explanation.size())));
    for (const ServiceCertificate& use : in_use) {
      if (use.der == one.der) out.add_in_use_by(use.UsedBy());
    }
  }
  response.set_self_signed_fallback(choice.self_signed_fallback);
  if (choice.renew_time != absl::InfiniteFuture()) {
    *response.mutable_renew_time() = ::sallyport::ToProto(choice.renew_time);
  }
  for (const ServiceCertificate& use : in_use) {
    if (use.der != choice.chosen_der ||
        use.next_attempt_time == absl::InfiniteFuture()) {
      continue;
    }
    // Who uses it knows best.
    *response.mutable_renew_time() =
        ::sallyport::ToProto(use.next_attempt_time);
    if (use.failures > 0) {
      *response.mutable_next_attempt_time() =
          ::sallyport::ToProto(use.next_attempt_time);
    }
  }
  if (request.service() == "capf" && renewal_.failures > 0) {
    *response.mutable_next_attempt_time() =
        ::sallyport::ToProto(renewal_.next_attempt);
  }
  return absl::OkStatus();
}

}  // namespace sallyport::capf
