"""Templates in the Django admin. Editing one creates a new version; versions are read-only."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join

from apps.common.channels import Channel
from apps.common.languages import canonical
from apps.common.rest.problems import Problem
from apps.templates import versions
from apps.templates.builtin import texts as builtin
from apps.templates.catalog import same_content
from apps.templates.content import CONTENT_FIELDS, FIELDS, CheckedContent, check, written
from apps.templates.engine.releases import CURRENT
from apps.templates.models import Template, TemplateVersion
from apps.templates.options import OPTIONS
from apps.templates.upgrade import changes_when_saved

# Django's classes accept no type arguments at run time.
if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Template]
    _Inline = admin.TabularInline[TemplateVersion, Template]
    _TemplateAdmin = admin.ModelAdmin[Template]
    _VersionAdmin = admin.ModelAdmin[TemplateVersion]
else:
    _ModelForm, _Inline = forms.ModelForm, admin.TabularInline
    _TemplateAdmin = _VersionAdmin = admin.ModelAdmin

OWN_NAMES = ("name", "category", "critical", "sensitive")
TALL = forms.Textarea(attrs={"rows": 14, "cols": 100, "spellcheck": "false"})
WIDE = forms.TextInput(attrs={"size": 100})


class DataField(forms.JSONField):
    """The data of a push message, empty where there are none."""

    def prepare_value(self, value: Any) -> Any:
        """Return what the form shows; for no data nothing, and not JSON's ``null``."""
        return "" if value in (None, {}) else super().prepare_value(value)


class TemplateForm(_ModelForm):
    """A template with its content in one language."""

    language = forms.CharField(
        max_length=35, help_text="Saving other words makes a new version of this language."
    )
    subject = forms.CharField(required=False, strip=False, widget=WIDE)
    title = forms.CharField(required=False, strip=False, widget=WIDE)
    body = forms.CharField(
        required=False,
        strip=False,
        widget=TALL,
        help_text="The text. A mail with HTML needs none: it is made from the HTML.",
    )
    html = forms.CharField(
        required=False,
        strip=False,
        widget=TALL,
        help_text="HTML or MJML. The rules of its style sheets are put into its elements.",
    )
    image = forms.CharField(required=False, widget=WIDE)
    link = forms.CharField(required=False, widget=WIDE)
    data = DataField(  # type: ignore[assignment] # The metaclass removes fields from the class.
        required=False, help_text="An object of strings."
    )
    from_name = forms.CharField(
        required=False, widget=WIDE, help_text="The name of the sender in this language."
    )
    reply_to = forms.CharField(required=False, help_text="The address to which answers go.")
    sound = forms.CharField(
        required=False, help_text='A sound of the app. Empty for the default one, "none" for none.'
    )
    badge = forms.IntegerField(required=False, help_text="The number at the app's icon.")
    channel_id = forms.CharField(
        required=False, help_text="The notification channel of Android.", label="Channel id"
    )
    silent = forms.BooleanField(
        required=False, help_text="Show nothing, only give the data to the app."
    )
    ttl_seconds = forms.IntegerField(
        required=False, help_text="How long it is worth being delivered.", label="Time to live (s)"
    )
    collapse_id = forms.CharField(
        required=False, help_text="A later message with the same id replaces this one."
    )

    checked: CheckedContent | None = None
    wanted_language: str | None = None

    class Meta:
        model = Template
        fields = ("code", "channel", *OWN_NAMES)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        instance: Template | None = kwargs.get("instance")
        initial = {"language": self.wanted_language or "en"}
        if instance is not None:
            language = self.wanted_language or instance.default_language
            published = instance.versions.filter(published=True, language=language).first()
            initial = {"language": language, **(written(published.content) if published else {})}
        kwargs["initial"] = {**initial, **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)

    def clean_code(self) -> str:
        """Refuse the codes of built-in texts, which cannot be edited."""
        code: str = self.cleaned_data["code"]
        if builtin.is_reserved(code):
            raise forms.ValidationError(builtin.RESERVED)
        return code

    def clean_language(self) -> str:
        """Return the canonical language tag; refuse a malformed one."""
        try:
            return canonical(self.cleaned_data["language"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        """Check the content like the API, and show each error, with its line, at its field."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        channel = cleaned.get("channel") or self.instance.channel
        if channel not in list(Channel):
            return cleaned
        given = {name: _given(cleaned.get(name)) for name in CONTENT_FIELDS}
        try:
            self.checked = check(channel, given)
        except Problem as problem:
            for error in problem.errors:
                self.add_error(error.pointer.split("/")[1], error.detail)
        return cleaned


def _given(value: Any) -> Any:
    # Browsers send line ends as CR LF (HTML, section 4.10.5.1); content is stored with LF.
    if isinstance(value, str):
        return value.replace("\r\n", "\n") or None
    # Zero is a badge, but a box that is not ticked is nothing.
    return None if value is False or value == {} else value


def state_of(version: TemplateVersion) -> str:
    """Return ``published``, ``draft``, or ``replaced`` for one that was published before."""
    return "replaced" if version.status == "published" and not version.published else version.status


class VersionInline(_Inline):
    """The versions of a template, read-only."""

    model = TemplateVersion
    fields = ("number", "language", "state", "created_by", "created_at")
    readonly_fields = fields
    ordering = ("language", "-number")
    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = True

    @admin.display(description="State")
    def state(self, version: TemplateVersion) -> str:
        """Return the state of a version."""
        return state_of(version)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Do not allow changes. Versions are immutable."""
        return False


@admin.register(Template)
class TemplateAdmin(_TemplateAdmin):
    """List, search and edit templates."""

    form = TemplateForm
    list_display = ("code", "name", "channel", "default_language", "category", "updated_at")
    list_filter = ("channel", "category", "critical", "sensitive")
    search_fields = ("code", "name")
    inlines = (VersionInline,)
    fieldsets = (
        (None, {"fields": ("code", "channel", *OWN_NAMES)}),
        ("Words", {"fields": ("language", *CONTENT_FIELDS)}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Do not allow deletion. Sent content must stay readable."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return the read-only fields; code and channel of a template cannot be changed."""
        return ("code", "channel", "older_rules", "words") if obj else ()

    @admin.display(description="Published words")
    def words(self, template: Template) -> str:
        """Return what the published versions say, for those who may not change it."""
        published = template.versions.filter(published=True).order_by("language")
        rows = [
            (f"{version.language}, {name}", str(text))
            for version in published
            for name, text in written(version.content).items()
        ]
        return format_html_join("\n", "<div>{}<pre>{}</pre></div>", rows)

    @admin.display(description="Older rules")
    def older_rules(self, template: Template) -> str:
        """Return what changes for the published versions of an earlier engine when saved again."""
        published = template.versions.filter(published=True, engine__lt=CURRENT)
        lines = [
            f"{version.language}: {change}"
            for version in published.select_related("template").order_by("language")
            for change in (changes_when_saved(version) or ["nothing changes."])
        ]
        if not lines:
            return "None: all published versions follow today's rules."
        said = "These versions follow the rules of an earlier engine. When they are saved again:"
        return format_html_join("\n", "<div>{}</div>", [(line,) for line in (said, *lines)])

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fieldsets; an existing template has only the fields of its channel."""
        if obj is None:
            return self.fieldsets
        if not self.has_change_permission(request, obj):
            return ((None, {"fields": ("code", "channel", *OWN_NAMES, "older_rules", "words")}),)
        of_channel = {*FIELDS[obj.channel], *OPTIONS[obj.channel]}
        of_channel |= {"data"} if obj.channel == Channel.PUSH else set()
        names = [name for name in CONTENT_FIELDS if name in of_channel]
        own = (None, {"fields": ("code", "channel", *OWN_NAMES, "older_rules")})
        return (own, ("Words", {"fields": ("language", *names)}))

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:  # type: ignore[override] # ``change`` stays among the keywords.
        """Return a form for the language in ``?language=``, or for the default language."""
        if obj is None or self.has_change_permission(request, obj):
            # The form's own fields, which are no columns of the table.
            kwargs["fields"] = None
        form: Any = super().get_form(request, obj, **kwargs)
        # The class was created for this request only.
        form.wanted_language = request.GET.get("language")
        return form

    def save_model(self, request: HttpRequest, obj: Template, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature.
        """Save through ``versions``, like all other code."""
        author = f"staff:{request.user.pk}"
        language = form.cleaned_data["language"]
        if not change:
            new = versions.NewTemplate(
                code=obj.code,
                channel=obj.channel,
                default_language=language,
                **{name: getattr(obj, name) for name in OWN_NAMES},
            )
            version = versions.create(template=new, content=form.checked, author=author)
            obj.pk = version.template_id
            return
        changes = {name: getattr(obj, name) for name in OWN_NAMES if name in form.changed_data}
        published = obj.versions.filter(published=True, language=language).first()
        # Saved without any change, a version of an earlier engine is taken to today's rules.
        if (
            published is not None
            and same_content(published.content, form.checked.stored)
            and (changes or published.engine == CURRENT)
        ):
            versions.change(code=obj.code, changes=changes)
            return
        if changes:
            versions.change(code=obj.code, changes=changes)
        made = versions.draft(code=obj.code, content=form.checked, language=language, author=author)
        if made is not None:
            # A new variable would refuse the next call, so somebody looks at it first.
            words = f"Draft {made.number} ({language}) is saved. It is sent once it is published."
            messages.info(request, words)


@admin.register(TemplateVersion)
class TemplateVersionAdmin(_VersionAdmin):
    """Show and publish versions; they cannot be edited."""

    list_display = (
        "template",
        "language",
        "number",
        "state",
        "created_by",
        "created_at",
    )
    list_filter = ("published", "draft", "language")
    search_fields = ("template__code", "template__name")
    list_select_related = ("template",)
    actions = ("publish",)

    @admin.display(description="State", ordering="-published")
    def state(self, version: TemplateVersion) -> str:
        """Return the state of a version."""
        return state_of(version)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Do not allow adding. Editing a template creates a version."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Do not allow changes. Versions are immutable."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Do not allow deletion. Sent content must stay readable."""
        return False

    def has_publish_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may change templates, which publishing requires."""
        return request.user.has_perm("message_templates.change_template")

    @admin.action(description="Publish the selected versions", permissions=["publish"])
    def publish(self, request: HttpRequest, queryset: QuerySet[TemplateVersion]) -> None:
        """Publish the selected versions, so that they are sent from now on."""
        for version in queryset.select_related("template").order_by("pk"):
            versions.publish(
                code=version.template.code, language=version.language, number=version.number
            )
            messages.success(request, f"{version.template.code} {version} is published.")
