#include "services/common/sql/postgres_options.h"

#include <postgresql/libpq-fe.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/bytes/string_view.h"
#include "services/common/files/durable_file.h"
#include "services/common/sql/uri_escape.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

constexpr size_t kMaxPasswordFile = 4096;

using Parameters = std::map<std::string, std::string>;

// Nothing if the string does not parse. libpq's words about why may quote it,
// and it may hold a password, so they are not kept.
bool Parse(const std::string& connection, Parameters* out) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(connection.c_str(), &error), &PQconninfoFree);
  if (error != nullptr) PQfreemem(error);
  if (options == nullptr) return false;
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; ++o) {
    if (o->val != nullptr) (*out)[o->keyword] = o->val;
  }
  return true;
}

bool IsLocal(std::string_view host) {
  return host.empty() || host[0] == '/' || host[0] == '@' ||
         host == "localhost" || host == "127.0.0.1" || host == "::1";
}

std::string FaultOf(const std::string& connection, Parameters* parameters) {
  if (!Parse(connection, parameters)) {
    return "is not a connection string as PostgreSQL's libpq reads it";
  }
  if (parameters->count("password") > 0) {
    return "must not hold a password: name a file in password_file";
  }
  for (const char* name : {"dbname", "user"}) {
    if ((*parameters)[name].empty()) return absl::StrCat("needs ", name, "=");
  }
  bool local = true;
  for (const char* name : {"host", "hostaddr"}) {
    for (const absl::string_view host :
         absl::StrSplit((*parameters)[name], ',')) {
      local = local && IsLocal(StdView(host));
    }
  }
  const std::string& mode = (*parameters)["sslmode"];
  if (!local && mode != "verify-full" && mode != "verify-ca") {
    return "a server on another machine needs sslmode=verify-full (or "
           "verify-ca)";
  }
  return "";
}

}  // namespace

std::string PostgresFault(const std::string& connection) {
  Parameters parameters;
  return FaultOf(connection, &parameters);
}

absl::StatusOr<Secret> PostgresConnection(const PostgresOptions& options) {
  Parameters parameters;
  const std::string fault = FaultOf(options.connection, &parameters);
  if (!fault.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "STORE_CONFIG_INVALID",
                     "the connection string of the store " + fault);
  }
  const int64_t ms =
      std::max<int64_t>(absl::ToInt64Milliseconds(options.timeout), 100);
  // libpq takes 1 s for 2 s.
  parameters.try_emplace("connect_timeout",
                         absl::StrCat(std::max<int64_t>((ms + 999) / 1000, 2)));
  parameters.try_emplace("tcp_user_timeout", absl::StrCat(ms));
  parameters.try_emplace("keepalives_idle", "5");
  parameters.try_emplace("keepalives_interval", "2");
  parameters.try_emplace("keepalives_count", "3");
  parameters.try_emplace("application_name", "sallyport");
  parameters["client_encoding"] = "UTF8";
  std::string& server_options = parameters["options"];
  absl::StrAppend(&server_options, " -c statement_timeout=", ms,
                  " -c lock_timeout=", ms,
                  " -c idle_in_transaction_session_timeout=", 4 * ms,
                  // libpq would write notices to standard error.
                  " -c client_min_messages=error");
  std::string out = "postgresql:///?";
  for (const auto& [name, value] : parameters) {
    if (!value.empty()) absl::StrAppend(&out, name, "=", UriEscape(value), "&");
  }
  out.pop_back();
  if (!options.password_file.empty()) {
    absl::StatusOr<std::string> text =
        ReadWholeFile(options.password_file, kMaxPasswordFile);
    if (!text.ok()) {
      return MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                       absl::StrCat("cannot read the password's file of the "
                                    "store: ",
                                    text.status().message()));
    }
    std::string password = text->substr(0, text->find_first_of("\r\n"));
    Cleanse(*text);
    std::string escaped = UriEscape(password);
    Cleanse(password);
    absl::StrAppend(&out, "&password=", escaped);
    Cleanse(escaped);
  }
  return Secret::Take(std::move(out));
}

}  // namespace sallyport
