from django.urls import URLPattern, URLResolver, path

from orgs.views import accounts, api_keys, organizations, settings, start

urlpatterns: list[URLPattern | URLResolver] = [
    path("", organizations.home, name="home"),
    path("signup", accounts.sign_up_page, name="sign_up"),
    path("login", accounts.log_in, name="login"),
    path("reset", accounts.forgot_password, name="forgot_password"),
    path("reset/<token>", accounts.reset_password_page, name="reset_password"),
    path("logout", accounts.log_out, name="logout"),
    path("theme", accounts.choose_theme, name="theme"),
    path("account/", accounts.account, name="account"),
    path("account/confirm", accounts.resend_confirmation, name="resend_confirmation"),
    path("account/password", accounts.change_password_page, name="change_password"),
    path("account/email", accounts.request_email_change_page, name="request_email_change"),
    path("email/<token>", accounts.change_email_page, name="change_email"),
    path("confirm/<token>", accounts.confirm_email_page, name="confirm_email"),
    path("organizations", organizations.organizations, name="organizations"),
    path("organizations/new", organizations.new_organization, name="new_organization"),
    path("o/<slug>/start/", start.start, name="start"),
    path("o/<slug>/start/arrivals", start.arrivals, name="start_arrivals"),
    path("o/<slug>/settings/", settings.general, name="settings"),
    path("o/<slug>/settings/address", settings.rename, name="rename"),
    path("o/<slug>/settings/members/", settings.members, name="members"),
    path("o/<slug>/settings/api-keys/", api_keys.api_keys, name="api_keys"),
    path("o/<slug>/settings/api-keys/<pk>/rotate", api_keys.rotate_api_key, name="rotate_api_key"),
    path("o/<slug>/settings/api-keys/<pk>/end-overlap", api_keys.end_key_overlap, name="end_key_overlap"),
    path("o/<slug>/settings/api-keys/<pk>/revoke", api_keys.revoke_api_key, name="revoke_api_key"),
    path("o/<slug>/settings/audit/", settings.audit_log, name="audit_log"),
]
