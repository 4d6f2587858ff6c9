#include "services/common/testing/mtls_pki.h"

#include <stdlib.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/check.h"

namespace sallyport {
namespace {

void Run(const std::string& command, const std::string& folder) {
  const std::string log = absl::StrCat(folder, "/openssl.log");
  const int result =
      std::system(absl::StrCat("( ", command, " ) >", log, " 2>&1").c_str());
  if (result != 0) {
    std::ifstream in(log);
    for (std::string line; std::getline(in, line);) {
      std::fprintf(stderr, "%s\n", line.c_str());
    }
  }
  SP_CHECK(result == 0);
}

// Of this object alone: the shards of a test may share their temporary folder.
std::string NewFolder(std::string_view name) {
  std::string folder =
      absl::StrCat(testing::TempDir(), "/pki_", AbslView(name), "_XXXXXX");
  SP_CHECK(mkdtemp(folder.data()) != nullptr);
  return folder;
}

}  // namespace

MtlsPki::MtlsPki(std::string_view name)
    : folder_(NewFolder(name)), ca_file_(absl::StrCat(folder_, "/ca.pem")) {
  Run(absl::StrCat("openssl req -x509 -newkey ec -pkeyopt "
                   "ec_paramgen_curve:P-256 -nodes -days 1 -subj '/CN=",
                   AbslView(name), "' -keyout ", folder_, "/ca.key -out ",
                   ca_file_),
      folder_);
}

PemFiles MtlsPki::Issue(std::string_view base, std::string_view san) {
  const std::string path = absl::StrCat(folder_, "/", AbslView(base));
  {
    std::ofstream extensions(absl::StrCat(path, ".ext"));
    extensions << "subjectAltName=" << san
               << "\nextendedKeyUsage=clientAuth,serverAuth\n"
                  "keyUsage=critical,digitalSignature\n"
                  "basicConstraints=critical,CA:FALSE\n";
  }
  Run(absl::StrCat(
          "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
          "-nodes -subj '/CN=",
          AbslView(base), "' -keyout ", path, ".key.new -out ", path,
          ".csr && openssl x509 -req -in ", path, ".csr -CA ", ca_file_,
          " -CAkey ", folder_, "/ca.key -CAcreateserial -days 1 -extfile ",
          path, ".ext -out ", path, ".pem.new && mv ", path, ".key.new ", path,
          ".key && mv ", path, ".pem.new ", path, ".pem"),
      folder_);
  return {absl::StrCat(path, ".pem"), absl::StrCat(path, ".key"), ca_file_};
}

PemFiles MtlsPki::IssueSpiffe(std::string_view trust_domain,
                              std::string_view path) {
  return Issue(absl::StrReplaceAll(AbslView(path), {{"/", "_"}}),
               absl::StrCat("URI:spiffe://", AbslView(trust_domain), "/",
                            AbslView(path)));
}

}  // namespace sallyport
