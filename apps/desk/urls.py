"""The pages of the desk, mounted at ``/admin/`` before those of Django's admin."""

from django.urls import path

from apps.desk.audit_page import audit_page
from apps.desk.batches import views as batches
from apps.desk.home.processes import processes_page
from apps.desk.home.views import VIEW_OPERATIONS, home
from apps.desk.letters import replays
from apps.desk.letters import views as letters
from apps.desk.messages import views as messages
from apps.desk.moved import routes as moved_routes
from apps.desk.pages import page
from apps.desk.people import file_views
from apps.desk.people import views as people
from apps.desk.providers import unmatched
from apps.desk.providers import views as providers
from apps.desk.search import search_page
from apps.desk.settings_page import settings_page
from apps.desk.studio import making, releases
from apps.desk.studio import views as studio
from apps.desk.studio.common import VIEW as VIEW_TEMPLATES
from apps.desk.webhooks import delivery_views as deliveries
from apps.desk.webhooks import views as webhooks

app_name = "desk"
urlpatterns = [
    path("", page(home), name="home"),
    path("processes/", page(processes_page, permission=VIEW_OPERATIONS), name="processes"),
    path("search/", page(search_page), name="search"),
    path("settings/", page(settings_page), name="settings"),
    path("audit/", page(audit_page, permission="desk.view_auditentry"), name="audit"),
    path("messages/", page(messages.message_feed, permission=messages.VIEW), name="messages"),
    path(
        "messages/act/<slug:act_name>/",
        page(messages.act_on_messages, permission=messages.VIEW),
        name="act",
    ),
    path(
        "messages/<uuid:message_id>/",
        page(messages.message_page, permission=messages.VIEW),
        name="message",
    ),
    path(
        "messages/<uuid:message_id>/html/",
        page(messages.message_html, permission=messages.VIEW),
        name="message-html",
    ),
    path("templates/", page(studio.template_list, permission=VIEW_TEMPLATES), name="templates"),
    path("templates/new/", page(making.create, permission=VIEW_TEMPLATES), name="new-template"),
    path(
        "templates/<template_code:code>/",
        page(studio.studio, permission=VIEW_TEMPLATES),
        name="studio",
    ),
    path(
        "templates/<template_code:code>/save/",
        page(studio.save, permission=VIEW_TEMPLATES),
        name="studio-save",
    ),
    path(
        "templates/<template_code:code>/preview/",
        page(studio.preview, permission=VIEW_TEMPLATES),
        name="studio-preview",
    ),
    path(
        "templates/<template_code:code>/review/<template_version:number>/",
        page(releases.review, permission=VIEW_TEMPLATES),
        name="review",
    ),
    path(
        "templates/<template_code:code>/send/<template_version:number>/",
        page(releases.send_to_me, permission=VIEW_TEMPLATES),
        name="studio-send",
    ),
    path(
        "templates/<template_code:code>/duplicate/",
        page(making.duplicate, permission=VIEW_TEMPLATES),
        name="duplicate",
    ),
    path(
        "templates/<template_code:code>/archive/",
        page(making.archive, permission=VIEW_TEMPLATES),
        name="archive",
    ),
    path("people/", page(people.people_list, permission=people.VIEW), name="people"),
    path("people/import/", page(file_views.people_import, permission=people.VIEW), name="import"),
    path("people/export/", page(file_views.people_export, permission=people.VIEW), name="export"),
    path(
        "people/<uuid:user_id>/",
        page(people.person_page, permission=people.VIEW),
        name="person",
    ),
    path(
        "people/<uuid:user_id>/export/",
        page(people.person_export, permission=people.VIEW),
        name="person-export",
    ),
    path(
        "people/<uuid:user_id>/erase/",
        page(people.person_erase, permission=people.VIEW),
        name="person-erase",
    ),
    path("dead-letters/", page(letters.letter_list, permission=letters.VIEW), name="letters"),
    path(
        "dead-letters/act/<slug:act_name>/",
        page(letters.act_on_letters, permission=letters.VIEW),
        name="letter-act",
    ),
    path(
        "dead-letters/replays/",
        page(replays.replay_start, permission=replays.VIEW),
        name="replay-start",
    ),
    path(
        "dead-letters/replays/<uuid:replay_id>/",
        page(replays.replay_page, permission=replays.VIEW),
        name="replay",
    ),
    path(
        "dead-letters/replays/<uuid:replay_id>/stop/",
        page(replays.replay_stop, permission=replays.VIEW),
        name="replay-stop",
    ),
    path(
        "dead-letters/<uuid:letter_id>/",
        page(letters.letter_page, permission=letters.VIEW),
        name="letter",
    ),
    path("batches/", page(batches.batch_list, permission=batches.VIEW), name="batches"),
    path(
        "batches/<uuid:batch_id>/",
        page(batches.batch_page, permission=batches.VIEW),
        name="batch",
    ),
    path(
        "batches/<uuid:batch_id>/errors.<slug:wanted>",
        page(batches.batch_errors, permission=batches.VIEW),
        name="batch-errors",
    ),
    path(
        "batches/<uuid:batch_id>/<slug:act_name>/",
        page(batches.act_on_batch, permission=batches.VIEW),
        name="batch-act",
    ),
    path(
        "providers/unmatched/",
        page(unmatched.unmatched_page, permission=unmatched.VIEW),
        name="unmatched",
    ),
    path(
        "providers/<slug:provider>/<str:breaker>/force/",
        page(providers.force_breaker, permission=providers.VIEW),
        name="provider-force",
    ),
    path(
        "providers/<slug:provider>/<str:breaker>/give-back/",
        page(providers.give_back_breaker, permission=providers.VIEW),
        name="provider-give-back",
    ),
    path(
        "providers/<slug:provider>/lift/",
        page(providers.lift_limit, permission=providers.VIEW),
        name="provider-lift",
    ),
    path(
        "providers/<slug:channel>/<slug:provider>/test/",
        page(providers.test_connection, permission=providers.VIEW),
        name="provider-test",
    ),
    path("webhooks/", page(webhooks.webhook_list, permission=webhooks.VIEW), name="webhooks"),
    path(
        "webhooks/<uuid:webhook_id>/",
        page(webhooks.webhook_page, permission=webhooks.VIEW),
        name="webhook",
    ),
    path(
        "webhooks/<uuid:webhook_id>/window/",
        page(deliveries.deliver_window, permission=webhooks.VIEW),
        name="webhook-window",
    ),
    path(
        "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/",
        page(deliveries.delivery_page, permission=webhooks.VIEW),
        name="webhook-delivery",
    ),
    path(
        "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/again/",
        page(deliveries.deliver_again, permission=webhooks.VIEW),
        name="webhook-again",
    ),
    path(
        "webhooks/<uuid:webhook_id>/act/<slug:act_name>/",
        page(webhooks.act_on_webhook, permission=webhooks.VIEW),
        name="webhook-act",
    ),
    *moved_routes(),
]
